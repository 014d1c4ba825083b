"""From points to rows of `robot_telemetry`, in the bytes that PostgreSQL's binary COPY takes.

Written by hand because every point comes through here. What points have in common (the robot and
metric before the time, the unit behind the value) is checked and packed once for a series.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from apps.telemetry.protocols.points import (
    MAX_METRIC_NAME,
    Batch,
    Fault,
    Rejection,
    metadata_fault,
    name_fault,
    read_id,
    read_time,
    time_fault,
    unit_fault,
)
from apps.telemetry.services.ingest.robot_cache import KnownRobot, Name, find_robots
from apps.telemetry.services.pending_work import SLOT_SECONDS, Key
from apps.telemetry.services.retention import telemetry_kept_since

COLUMNS = "robot_id, metric_name, time, value, unit, metadata"
_FIELDS = struct.Struct(">h").pack(6)
_NULL = struct.Struct(">i").pack(-1)
_length = struct.Struct(">i").pack
_time_and_value = struct.Struct(">qid").pack
_JSONB_VERSION = b"\x01"
# Times count microseconds from here.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SLOT = SLOT_SECONDS * 1_000_000


RowKey = tuple[bytes, int]
"""A row's start and time: robot, metric and time."""


class Row(msgspec.Struct, gc=False):
    """A point that can be stored.

    It refers to nothing that could refer to it, so the collector need not look at it: tens of
    thousands are alive at once, and looking cost as much as packing them.

    Attributes:
        start: Field count, robot, metric and the length of the time: the same for a series.
        time: Microseconds since the year 2000.
        data: The whole row, as COPY takes it.
        place: The point's place in its batch.
        value: What was measured.
        unit: Its unit.
    """

    start: bytes
    time: int
    data: bytes
    place: int
    value: float
    unit: str | None

    @property
    def key(self) -> RowKey:
        """What no two stored rows have in common."""
        return self.start, self.time


class Series(NamedTuple):
    """Whose rows begin with the same bytes."""

    robot_id: UUID
    metric_name: str


class Repeat(NamedTuple):
    """A point whose robot, metric and time came before in the same batch."""

    key: RowKey
    place: int
    value: float


@dataclass
class Sheet:
    """A batch that is ready to be stored.

    Attributes:
        rows: In the order of robot, metric and time, each once: in the same order for everybody,
            so that two batches with the same points cannot wait for each other.
        repeats: What came again within the batch.
        rejected: What cannot be stored.
        has_metadata: Whether any of the rows has metadata.
        series: What the starts of the rows stand for.
        robots: The robots that are written to, as they were when the batch was read.
    """

    rows: list[Row] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    has_metadata: bool = False
    series: dict[bytes, Series] = field(default_factory=dict)
    robots: dict[UUID, KnownRobot] = field(default_factory=dict)


@lru_cache(maxsize=4_096)  # the metrics of a robot come with the same times
def moment(time: int) -> datetime:
    """Return a row's time as a datetime."""
    return _EPOCH + timedelta(microseconds=time)


def outer_keys(rows: list[Row], series: dict[bytes, Series]) -> Iterator[Key]:
    """Yield keys that say as much about where the rows lie as the keys of all of them.

    Args:
        rows: Sorted.
        series: What their starts stand for.
    """
    if not rows:
        return
    least, greatest = min(row.time for row in rows), max(row.time for row in rows)
    if least // _SLOT == greatest // _SLOT:
        # As nearly always: one stretch of time for all of them.
        first = moment(least)
        for start in {row.start for row in rows}:
            yield (*series[start], first)
        yield (*series[rows[0].start], moment(greatest))
        return
    before: Row | None = None
    for row in rows:
        same = (
            before is not None
            and before.start == row.start
            and before.time // _SLOT == row.time // _SLOT
        )
        if not same:
            if before is not None:
                yield (*series[before.start], moment(before.time))
            yield (*series[row.start], moment(row.time))
        before = row
    if before is not None:
        yield (*series[before.start], moment(before.time))


def newest(rows: list[Row]) -> Iterator[Row]:
    """Yield the last row of each series; rows are sorted."""
    last: dict[bytes, Row] = {row.start: row for row in rows}
    yield from last.values()


class _Packed(NamedTuple):
    """What the points of a series with one unit share, and the rows found for it."""

    start: bytes
    end: bytes
    rows: dict[int, Row]


class _Writer:
    """Packs the points of one batch."""

    def __init__(
        self, robots: dict[Name, KnownRobot | None], now: datetime, oldest: datetime
    ) -> None:
        self.sheet = Sheet()
        self._robots = robots
        self._now, self._oldest = now, oldest
        self._rows: dict[bytes, dict[int, Row]] = {}
        self._packed: dict[tuple[Any, ...], _Packed | Fault] = {}
        self._times: dict[Any, int | Fault] = {}

    def write(self, batch: Batch) -> Sheet:
        """Check and pack every point."""
        sheet, packed, times = self.sheet, self._packed, self._times
        sheet.rejected.extend(batch.rejected)
        for index, point in batch.points:
            name, when, value, robot, serial, unit, metadata = astuple(point)
            unit = unit or None  # an empty text says as little as none
            key = robot, serial, name, unit
            found = packed.get(key)
            if found is None:
                found = packed[key] = self._series(*key)
            if not isinstance(found, _Packed):
                sheet.rejected.append(Rejection(index, *found))
                continue
            time = times.get(when)
            if time is None:
                time = times[when] = self._time(when)
            if isinstance(time, tuple) or metadata is not None or not isfinite(value):
                self._rare(index, found, time, value, unit, metadata)
                continue
            start, end, rows = found
            if time in rows:
                sheet.repeats.append(Repeat((start, time), index, value))
            else:
                data = start + _time_and_value(time, 8, value) + end
                rows[time] = Row(start, time, data, index, value, unit)
        for start in sorted(self._rows):
            rows = self._rows[start]
            sheet.rows.extend([rows[time] for time in sorted(rows)])
        return sheet

    def _rare(
        self,
        index: int,
        packed: _Packed,
        time: int | Fault,
        value: float,
        unit: str | None,
        metadata: dict[str, Any] | None,
    ) -> None:
        if isinstance(time, tuple):
            self.sheet.rejected.append(Rejection(index, *time))
            return
        fault: Fault | None = None
        if not isfinite(value):
            fault = "not_finite", "A value is a finite number."
        elif metadata is not None:
            fault = metadata_fault(metadata)
        if fault is not None:
            self.sheet.rejected.append(Rejection(index, *fault))
            return
        start, end, rows = packed
        if time in rows:
            self.sheet.repeats.append(Repeat((start, time), index, value))
            return
        if metadata is not None:
            self.sheet.has_metadata = True
            document = _JSONB_VERSION + msgspec.json.encode(metadata)
            end = end[: -len(_NULL)] + _length(len(document)) + document
        data = start + _time_and_value(time, 8, value) + end
        rows[time] = Row(start, time, data, index, value, unit)

    def _time(self, when: str | datetime) -> int | Fault:
        if isinstance(when, str):
            try:
                when = read_time(when)
            except msgspec.ValidationError as error:
                return "invalid", f"{error} - at `$.time`"
        if fault := time_fault(when, self._now, self._oldest):
            return fault
        since = when - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    def _series(
        self, robot_id: Any, serial_number: str | None, name: str, unit: str | None
    ) -> _Packed | Fault:
        robot = self._robots.get((robot_id, serial_number))
        if robot is None:
            return _robot_fault(robot_id)
        # What does not fit is not remembered: it may be of any length.
        fault = name_fault(name) if len(name) > MAX_METRIC_NAME else unit_fault(unit)
        if fault is not None:
            return fault
        start = _start_of(robot.id, name)
        if not isinstance(start, bytes):
            return start
        end = _end_of(unit)
        self.sheet.series[start] = Series(robot.id, name)
        self.sheet.robots[robot.id] = robot
        return _Packed(start, end, self._rows.setdefault(start, {}))


@lru_cache(maxsize=16_384)
def _start_of(robot_id: UUID, name: str) -> bytes | Fault:
    if fault := name_fault(name):
        return fault
    metric = name.encode()
    return b"".join(
        (_FIELDS, _length(16), robot_id.bytes, _length(len(metric)), metric, _length(8))
    )


@lru_cache(maxsize=1_024)
def _end_of(unit: str | None) -> bytes:
    if unit is None:
        return _NULL + _NULL
    code = unit.encode()
    return _length(len(code)) + code + _NULL


def _robot_fault(robot_id: Any) -> Fault:
    if isinstance(robot_id, str):
        try:
            read_id(robot_id)
        except msgspec.ValidationError as error:
            return "invalid", f"{error} - at `$.robot_id`"
    return "unknown_robot", "There is no such robot, or it is not yours."


def write_rows(
    organization_id: UUID, batch: Batch, now: datetime, own_robot_id: UUID | None
) -> Sheet:
    """Check a batch and make its rows.

    Args:
        organization_id: Whose robots may be named.
        batch: Decoded items.
        now: What their times are judged by.
        own_robot_id: The only robot that may be named, and the one meant where none is.
    """
    names: set[Name] = {(point.robot_id, point.serial_number) for _, point in batch.points}
    names = {name for name in names if _can_be_looked_up(name)}
    robots = find_robots(organization_id, names, own_robot_id)
    return _Writer(robots, now, telemetry_kept_since(organization_id, now)).write(batch)


def _can_be_looked_up(name: Name) -> bool:
    if isinstance(name[0], str):
        try:
            read_id(name[0])
        except msgspec.ValidationError:
            return False
    return True
