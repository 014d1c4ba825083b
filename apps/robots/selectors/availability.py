"""Time in state and availability: status groups and formulas.

EN 15341 (maintenance key performance indicators) relates the achieved up time to the required
time. EN 13306 and IEC 60050-192 define up as able to perform, and down as not able. So

    availability = up / (up + down)

over the time in which the status is known. Maintenance is not required time and is counted
separately. For plants that count maintenance as lost time:

    availability with maintenance = up / (up + down + maintenance)

Before its first recorded status a robot's state is unknown; that time is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from apps.robots.choices import RobotStatus

# Able to perform. A robot that waits, or charges its battery between jobs, is able to.
UP = frozenset(
    {RobotStatus.ONLINE, RobotStatus.IDLE, RobotStatus.RUNNING, RobotStatus.CHARGING}
)  # fmt: skip
# Not able to perform. An offline robot cannot be put to work.
DOWN = frozenset(
    {RobotStatus.STOPPED, RobotStatus.ERROR, RobotStatus.EMERGENCY_STOP, RobotStatus.OFFLINE}
)
# Most severe first: a merged interval shows the most severe one.
STATUS_SEVERITY = (
    RobotStatus.EMERGENCY_STOP, RobotStatus.ERROR, RobotStatus.STOPPED, RobotStatus.OFFLINE,
    RobotStatus.MAINTENANCE, RobotStatus.CHARGING, RobotStatus.RUNNING, RobotStatus.IDLE,
    RobotStatus.ONLINE,
)  # fmt: skip
_ZERO = timedelta()


@dataclass(frozen=True)
class TimeInStatus:
    """Total time in a status, and its number of intervals."""

    status: str
    time: timedelta
    spells: int


@dataclass(frozen=True)
class StatusSummary:
    """Time in state of one robot, or the total of several robots.

    Attributes:
        whole: Length of the range times the number of robots.
        statuses: Statuses that occurred, the longest first.
    """

    whole: timedelta
    statuses: list[TimeInStatus] = field(default_factory=list)

    def _sum(self, statuses: Iterable[str]) -> timedelta:
        wanted = set(statuses)
        return sum((item.time for item in self.statuses if item.status in wanted), _ZERO)

    @property
    def up(self) -> timedelta:
        """Time in which the robots were able to work."""
        return self._sum(UP)

    @property
    def down(self) -> timedelta:
        """Time in which the robots were not able to work."""
        return self._sum(DOWN)

    @property
    def maintenance(self) -> timedelta:
        """Time under maintenance."""
        return self._sum({RobotStatus.MAINTENANCE})

    @property
    def unknown(self) -> timedelta:
        """Time before the first recorded status."""
        return self.whole - self.up - self.down - self.maintenance

    @property
    def availability(self) -> float | None:
        """Up over up and down, 0 to 1; None if neither occurred."""
        return _ratio(self.up, self.up + self.down)

    @property
    def availability_with_maintenance(self) -> float | None:
        """Availability with maintenance counted as lost time, 0 to 1."""
        return _ratio(self.up, self.up + self.down + self.maintenance)

    def share(self, time: timedelta) -> float:
        """Return a time's share of the whole, 0 to 1."""
        return _ratio(time, self.whole) or 0.0


def _ratio(part: timedelta, whole: timedelta) -> float | None:
    return part / whole if whole else None
