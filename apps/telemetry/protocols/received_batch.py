"""Decoded points of senders that name metrics by labels or attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apps.telemetry.protocols.points import DecodedBatch, Point, Rejection
from apps.telemetry.protocols.tag_mapping import RobotReference

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The limits of the calendar; beyond them no time can be shown.
_MIN_MICROS = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MAX_MICROS = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass
class ReceivedBatch(DecodedBatch):
    """Decoded points, and which value of the request each index is.

    Attributes:
        values: Number of the value of the request for each index, from 0. Some values become
            several points.
        names: Name of the metric as it was sent, for each index.
        renamed: Metric names by the sent names that they do not equal; the first ones.
        value_count: Number of values in the request.
        dropped: Number of values that say that there is none.
    """

    values: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    value_count: int = 0
    dropped: int = 0

    def reject(self, name: str, code: str, detail: str) -> None:
        """Reject the current value under the next index."""
        self.rejected.append(Rejection(len(self.names), code, detail))
        self._append(name)

    def add(self, name: str, point: Point) -> None:
        """Add a point of the current value under the next index."""
        self.points.append((len(self.names), point))
        self._append(name)

    def _append(self, name: str) -> None:
        self.names.append(name)
        self.values.append(self.value_count)


@dataclass(frozen=True)
class PointSeries:
    """What the points of a series have in common."""

    metric_name: str
    robot: RobotReference
    unit: str | None
    metadata: dict[str, str] | None

    def point(self, time: datetime, value: float) -> Point:
        """Return a point of the series."""
        return Point(
            self.metric_name,
            time,
            value,
            self.robot.robot_id,
            self.robot.serial_number,
            self.unit,
            self.metadata,
        )


def time_of(micros: int) -> datetime | None:
    """Return the time from microseconds since 1970, or None."""
    if not _MIN_MICROS <= micros < _MAX_MICROS:
        return None
    return _EPOCH + timedelta(microseconds=micros)
