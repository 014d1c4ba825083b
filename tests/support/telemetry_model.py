"""A reference model of telemetry: a dictionary of points and the expected reads."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)
Series = dict[datetime, tuple[float, str | None]]


@dataclass
class Model:
    """Points by robot and metric; the first value of a time is kept."""

    points: defaultdict[tuple[UUID, str], Series] = field(default_factory=lambda: defaultdict(dict))

    def add(self, robot: UUID, metric: str, time: datetime, value: float, unit: str | None) -> str:
        """Add a point; return the expected result."""
        stored = self.points[robot, metric].setdefault(time, (value, unit))
        if stored is not None and stored[0] != value:
            return "conflict"
        return "stored"

    def latest(self) -> dict[tuple[UUID, str], tuple[datetime, float, str | None]]:
        """Return the newest point of each series."""
        return {
            key: (max(found), *found[max(found)]) for key, found in self.points.items() if found
        }

    def delete(self, robot: UUID, metric: str, start: datetime, end: datetime) -> Series:
        """Delete the points of a series in a range; return them."""
        series = self.points[robot, metric]
        return {time: series.pop(time) for time in sorted(series) if start <= time < end}

    def replace(self, robot: UUID, metric: str, values: dict[datetime, float]) -> None:
        """Replace the values of stored points."""
        series = self.points[robot, metric]
        series.update({time: (value, series[time][1]) for time, value in values.items()})

    def buckets(
        self, robot: UUID, metric: str, start: datetime, end: datetime, width: int
    ) -> list[tuple[datetime, list[float]]]:
        """Return the start and the values of each bucket; width 0 means raw points."""
        found: defaultdict[datetime, list[float]] = defaultdict(list)
        for time, (value, _) in sorted(self.points.get((robot, metric), {}).items()):
            if start <= time < end:
                step = timedelta(seconds=width)
                found[time - (time - ORIGIN) % step if width else time].append(value)
        return sorted(found.items())

    def unit(self, robot: UUID, metric: str, start: datetime, end: datetime) -> str | None:
        """Return the unit of the newest point in a range that has one."""
        units = [
            unit
            for time, (_, unit) in sorted(self.points.get((robot, metric), {}).items())
            if start <= time < end and unit
        ]
        return units[-1] if units else None


def aggregate(name: str, values: list[float]) -> float:
    """Return the aggregation of a bucket's values."""
    if name.startswith("p"):
        rank = math.ceil(float(name[1:]) / 100 * len(values))
        return sorted(values)[max(rank, 1) - 1]
    return {
        "avg": lambda: math.fsum(value / len(values) for value in values),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "count": lambda: len(values),
        "first": lambda: values[0],
        "last": lambda: values[-1],
        "sum": lambda: math.fsum(values),
    }[name]()
