"""Time in state and availability: which statuses count as what, and the formulas.

EN 15341 (maintenance key performance indicators) sets the achieved up time against the required
time; EN 13306 and IEC 60050-192 give the words: up, able to perform; down, not able. So

    availability = up / (up + down)

over the time in which the status is known. Maintenance is not required time and is counted by
itself. Where a plant wants it to count as lost:

    availability with maintenance = up / (up + down + maintenance)

Nothing is known of a robot before its first recorded status; that time counts as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from apps.robots.choices import RobotStatus

# Able to do what it is for. A robot that waits, or charges its battery as its work requires, is.
UP = frozenset(
    {RobotStatus.ONLINE, RobotStatus.IDLE, RobotStatus.RUNNING, RobotStatus.CHARGING}
)  # fmt: skip
# Not able to. A robot that is not heard of cannot be put to work.
DOWN = frozenset(
    {RobotStatus.STOPPED, RobotStatus.ERROR, RobotStatus.EMERGENCY_STOP, RobotStatus.OFFLINE}
)
# What is shown where several statuses fall into one stripe of a picture: the gravest.
GRAVITY = (
    RobotStatus.EMERGENCY_STOP, RobotStatus.ERROR, RobotStatus.STOPPED, RobotStatus.OFFLINE,
    RobotStatus.MAINTENANCE, RobotStatus.CHARGING, RobotStatus.RUNNING, RobotStatus.IDLE,
    RobotStatus.ONLINE,
)  # fmt: skip
_NOTHING = timedelta()


@dataclass(frozen=True)
class TimeInStatus:
    """How long robots were in a status, and in how many spells."""

    status: str
    time: timedelta
    spells: int


@dataclass(frozen=True)
class StatusSummary:
    """Time in state of one robot, or of several added up.

    Attributes:
        whole: The length of the range, times the number of robots.
        statuses: Those that occurred, the longest first.
    """

    whole: timedelta
    statuses: list[TimeInStatus] = field(default_factory=list)

    def _sum(self, statuses: Iterable[str]) -> timedelta:
        wanted = set(statuses)
        return sum((one.time for one in self.statuses if one.status in wanted), _NOTHING)

    @property
    def up(self) -> timedelta:
        """Time in which the robots were able to work."""
        return self._sum(UP)

    @property
    def down(self) -> timedelta:
        """Time in which they were not."""
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
        """Up over up and down, 0 to 1; None where neither occurred."""
        return _ratio(self.up, self.up + self.down)

    @property
    def availability_with_maintenance(self) -> float | None:
        """The same with maintenance taken for lost time."""
        return _ratio(self.up, self.up + self.down + self.maintenance)

    def share(self, time: timedelta) -> float:
        """Return a time's share of the whole, 0 to 1."""
        return _ratio(time, self.whole) or 0.0


def _ratio(part: timedelta, whole: timedelta) -> float | None:
    return part / whole if whole else None
