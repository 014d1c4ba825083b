"""Batches that are encoded and ready to be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from apps.telemetry.protocols.points import Rejection
from apps.telemetry.services.ingest.robot_cache import CachedRobot
from apps.telemetry.services.pending_work import SLOT_SECONDS, PointKey

# Encoded times are microseconds since this datetime.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SLOT_MICROS = SLOT_SECONDS * 1_000_000
EncodedKey = tuple[bytes, int]
"""Key prefix and time of a point: robot, metric and time."""


class EncodedPoint(msgspec.Struct, gc=False):
    """A valid point, packed as a row.

    It cannot be part of a reference cycle, so the garbage collector skips it. Tens of thousands
    exist at once, and scanning them cost as much as packing them.

    Attributes:
        key_prefix: Field count, robot, metric and the length of the time; the same for a series.
        time: Microseconds since the year 2000.
        data: The whole row in the format of binary COPY.
        index: The point's index in its batch.
        value: The measured value.
        unit: The unit, a UCUM code.
    """

    key_prefix: bytes
    time: int
    data: bytes
    index: int
    value: float
    unit: str | None

    @property
    def key(self) -> EncodedKey:
        """The unique key of the stored row."""
        return self.key_prefix, self.time


class SeriesKey(NamedTuple):
    """The robot and metric that a key prefix encodes."""

    robot_id: UUID
    metric_name: str


class RepeatedPoint(msgspec.Struct, gc=False):
    """A point with the key of an earlier one in its batch."""

    key: EncodedKey
    index: int
    value: float


@dataclass
class EncodedBatch:
    """A batch that is ready to be written.

    Attributes:
        points: Sorted by robot, metric and time, without repeats. All batches use this order, so
            that two batches with the same points cannot deadlock.
        repeats: Points that repeat an earlier one of the batch.
        rejected: Points that cannot be stored.
        has_metadata: Whether any of the points has metadata.
        series: Robot and metric of each key prefix.
        robots: The robots that are written to, as they were cached.
        normalized_units: Codes that replace the units as they were sent.
    """

    points: list[EncodedPoint] = field(default_factory=list)
    repeats: list[RepeatedPoint] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    has_metadata: bool = False
    series: dict[bytes, SeriesKey] = field(default_factory=dict)
    robots: dict[UUID, CachedRobot] = field(default_factory=dict)
    normalized_units: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=4_096)  # a robot's metrics usually share their times
def micros_to_datetime(time: int) -> datetime:
    """Return a point's time as a datetime."""
    return EPOCH + timedelta(microseconds=time)


def bounding_keys(points: list[EncodedPoint], series: dict[bytes, SeriesKey]) -> Iterator[PointKey]:
    """Yield the first and last key of each series and time slot.

    They lead to the same pending work as the keys of all points.

    Args:
        points: Sorted points.
        series: Robot and metric of each key prefix.
    """
    if not points:
        return
    first, last = min(point.time for point in points), max(point.time for point in points)
    if first // _SLOT_MICROS == last // _SLOT_MICROS:
        # The usual case: one time slot for all points.
        start = micros_to_datetime(first)
        for prefix in {point.key_prefix for point in points}:
            yield (*series[prefix], start)
        yield (*series[points[0].key_prefix], micros_to_datetime(last))
        return
    previous: EncodedPoint | None = None
    for point in points:
        is_same_slot = (
            previous is not None
            and previous.key_prefix == point.key_prefix
            and previous.time // _SLOT_MICROS == point.time // _SLOT_MICROS
        )
        if not is_same_slot:
            if previous is not None:
                yield (*series[previous.key_prefix], micros_to_datetime(previous.time))
            yield (*series[point.key_prefix], micros_to_datetime(point.time))
        previous = point
    if previous is not None:
        yield (*series[previous.key_prefix], micros_to_datetime(previous.time))


def newest_points(points: list[EncodedPoint]) -> Iterator[EncodedPoint]:
    """Yield the last point of each series; the points are sorted."""
    last: dict[bytes, EncodedPoint] = {point.key_prefix: point for point in points}
    yield from last.values()
