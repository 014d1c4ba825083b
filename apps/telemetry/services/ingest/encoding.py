"""Check points and pack them as rows for PostgreSQL's binary COPY.

Hand-written, because every point passes through here. The parts that points of a series share
(robot and metric before the time, unit after the value) are checked and packed once.
"""

from __future__ import annotations

import struct
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from apps.telemetry.protocols.points import (
    INEXACT_INTEGER,
    MAX_METRIC_NAME_LENGTH,
    DecodedBatch,
    Rejection,
    metadata_error,
    metric_name_error,
    parse_time,
    parse_uuid,
    unit_error,
)
from apps.telemetry.selectors.retention_limit import telemetry_kept_since
from apps.telemetry.services.ingest.encoded_batch import (
    EPOCH,
    EncodedBatch,
    EncodedPoint,
    RepeatedPoint,
    SeriesKey,
)
from apps.telemetry.services.ingest.robot_cache import CachedRobot, RobotReference, resolve_robots
from urfmp.common.time_bounds import Issue, time_error
from urfmp.common.units import canonical_unit

# All integers up to this are double-precision numbers.
_MAX_EXACT_INTEGER = 2**53
COLUMNS = "robot_id, metric_name, time, value, unit, metadata"
_FIELD_COUNT = struct.Struct(">h").pack(6)
_NULL = struct.Struct(">i").pack(-1)
_length = struct.Struct(">i").pack
_time_and_value = struct.Struct(">qid").pack
_JSONB_VERSION = b"\x01"


class _SeriesEncoding(NamedTuple):
    """The shared bytes of a series with one unit, and its points."""

    key_prefix: bytes
    suffix: bytes
    points: dict[int, EncodedPoint]
    unit: str | None


class _Encoder:
    """Encodes the points of one batch."""

    def __init__(
        self,
        robots: dict[RobotReference, CachedRobot | None],
        now: datetime,
        oldest: datetime,
    ) -> None:
        self.encoded = EncodedBatch()
        self._robots = robots
        self._now = now
        self._oldest = oldest
        self._points: dict[bytes, dict[int, EncodedPoint]] = {}
        self._series: dict[tuple[Any, ...], _SeriesEncoding | Issue] = {}
        self._times: dict[Any, int | Issue] = {}

    def encode(self, batch: DecodedBatch) -> EncodedBatch:
        """Check and pack every point."""
        encoded, series, times = self.encoded, self._series, self._times
        encoded.rejected.extend(batch.rejected)
        for index, point in batch.points:
            metric_name, sent_time, value, robot_id, serial_number, unit, metadata = astuple(point)
            unit = unit or None  # an empty unit means no unit
            series_key = robot_id, serial_number, metric_name, unit
            found = series.get(series_key)
            if found is None:
                found = series[series_key] = self._encode_series(*series_key)
            if not isinstance(found, _SeriesEncoding):
                encoded.rejected.append(Rejection(index, *found))
                continue
            time = times.get(sent_time)
            if time is None:
                time = times[sent_time] = self._encode_time(sent_time)
            if type(value) is int:
                if not _is_exact(value):
                    encoded.rejected.append(Rejection(index, *INEXACT_INTEGER))
                    continue
                value = float(value)
            if isinstance(time, tuple) or metadata is not None or not isfinite(value):
                self._encode_uncommon(index, found, time, value, metadata)
                continue
            key_prefix, suffix, points, unit = found
            if time in points:
                encoded.repeats.append(RepeatedPoint((key_prefix, time), index, value))
            else:
                data = key_prefix + _time_and_value(time, 8, value) + suffix
                points[time] = EncodedPoint(key_prefix, time, data, index, value, unit)
        for key_prefix in sorted(self._points):
            points = self._points[key_prefix]
            encoded.points.extend([points[time] for time in sorted(points)])
        return encoded

    def _encode_uncommon(
        self,
        index: int,
        series: _SeriesEncoding,
        time: int | Issue,
        value: float,
        metadata: dict[str, Any] | None,
    ) -> None:
        if isinstance(time, tuple):
            self.encoded.rejected.append(Rejection(index, *time))
            return
        issue: Issue | None = None
        if not isfinite(value):
            issue = "not_finite", "The value must be a finite number."
        elif metadata is not None:
            issue = metadata_error(metadata)
        if issue is not None:
            self.encoded.rejected.append(Rejection(index, *issue))
            return
        key_prefix, suffix, points, unit = series
        if time in points:
            self.encoded.repeats.append(RepeatedPoint((key_prefix, time), index, value))
            return
        if metadata is not None:
            self.encoded.has_metadata = True
            document = _JSONB_VERSION + msgspec.json.encode(metadata)
            suffix = suffix[: -len(_NULL)] + _length(len(document)) + document
        data = key_prefix + _time_and_value(time, 8, value) + suffix
        points[time] = EncodedPoint(key_prefix, time, data, index, value, unit)

    def _encode_time(self, sent_time: str | datetime) -> int | Issue:
        if isinstance(sent_time, str):
            try:
                sent_time = parse_time(sent_time)
            except msgspec.ValidationError as error:
                return "invalid", f"{error} - at `$.time`"
        if issue := time_error(sent_time, self._now, self._oldest):
            return issue
        since = sent_time - EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    def _encode_series(
        self, robot_id: Any, serial_number: str | None, metric_name: str, unit: str | None
    ) -> _SeriesEncoding | Issue:
        robot = self._robots.get((robot_id, serial_number))
        if robot is None:
            return _robot_error(robot_id)
        # Names that are too long are not cached: they may be of any length.
        is_long = len(metric_name) > MAX_METRIC_NAME_LENGTH
        issue = metric_name_error(metric_name) if is_long else unit_error(unit)
        if issue is not None:
            return issue
        key_prefix = _key_prefix(robot.id, metric_name)
        if not isinstance(key_prefix, bytes):
            return key_prefix
        if unit is not None and (code := canonical_unit(unit)) != unit:
            self.encoded.normalized_units[unit] = code
            unit = code
        suffix = _suffix(unit)
        self.encoded.series[key_prefix] = SeriesKey(robot.id, metric_name)
        self.encoded.robots[robot.id] = robot
        return _SeriesEncoding(key_prefix, suffix, self._points.setdefault(key_prefix, {}), unit)


def _is_exact(value: int) -> bool:
    """Return whether a double-precision number equals the integer."""
    if -_MAX_EXACT_INTEGER <= value <= _MAX_EXACT_INTEGER:
        return True
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


@lru_cache(maxsize=16_384)
def _key_prefix(robot_id: UUID, metric_name: str) -> bytes | Issue:
    if issue := metric_name_error(metric_name):
        return issue
    metric = metric_name.encode()
    return b"".join(
        (_FIELD_COUNT, _length(16), robot_id.bytes, _length(len(metric)), metric, _length(8))
    )


@lru_cache(maxsize=1_024)
def _suffix(unit: str | None) -> bytes:
    if unit is None:
        return _NULL + _NULL
    code = unit.encode()
    return _length(len(code)) + code + _NULL


def _robot_error(robot_id: Any) -> Issue:
    if isinstance(robot_id, str):
        try:
            parse_uuid(robot_id)
        except msgspec.ValidationError as error:
            return "invalid", f"{error} - at `$.robot_id`"
    return "unknown_robot", "Robot not found."


def encode_batch(
    organization_id: UUID, batch: DecodedBatch, now: datetime, bound_robot_id: UUID | None
) -> EncodedBatch:
    """Check and encode a batch.

    Args:
        organization_id: Organization that owns the robots.
        batch: Decoded points.
        now: The current time, which points are checked against.
        bound_robot_id: The only robot that may be named, and the default for points without one.
    """
    references: set[RobotReference] = {
        (point.robot_id, point.serial_number) for _, point in batch.points
    }
    references = {reference for reference in references if _has_valid_id(reference)}
    robots = resolve_robots(organization_id, references, bound_robot_id)
    return _Encoder(robots, now, telemetry_kept_since(organization_id, now)).encode(batch)


def _has_valid_id(reference: RobotReference) -> bool:
    if isinstance(reference[0], str):
        try:
            parse_uuid(reference[0])
        except msgspec.ValidationError:
            return False
    return True
