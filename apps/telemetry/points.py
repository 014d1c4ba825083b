"""A batch of points: decoded, checked, and what was wrong with which of them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Annotated, Any
from uuid import UUID

import msgspec

from urfmp.common.exceptions import ApplicationError
from urfmp.common.storable import json_fault

METRIC_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
MAX_METRIC_NAME, MAX_UNIT, MAX_SERIAL_NUMBER = 100, 20, 100
# A robot's clock may be ahead by this much.
MAX_AHEAD = timedelta(minutes=5)


class MalformedBatchError(ApplicationError):
    """The body is not a JSON object of the form {"points": [...]}."""

    code = "malformed"
    status = 400  # type: ignore[assignment]


class TooManyPointsError(ApplicationError):
    """The batch holds more points than are taken at once."""

    code = "too_many_points"
    status = 413  # type: ignore[assignment]


class Point(msgspec.Struct, forbid_unknown_fields=True):
    """One item of a batch as it is sent. `time` carries an offset; `value` is finite."""

    metric_name: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    value: float
    robot_id: UUID | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[Point]


class _RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[msgspec.Raw]


class Rejection(msgspec.Struct):
    """Why one item was not stored: its place in the batch, a stable code, and a sentence."""

    index: int
    code: str
    detail: str


@dataclass
class Batch:
    """Decoded items with their places, and those that could not be decoded."""

    points: list[tuple[int, Point]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


# The decoder rounds what is finer than a microsecond; times are cut, so that a resent point keeps
# its key whatever its sender's precision.
_FINER_THAN_MICROSECONDS = re.compile(r"(.{19}\.\d{6})\d+(.*)", re.DOTALL)
_MAYBE_FINER = re.compile(rb'"time"\s*:\s*"[^".]{19}\.\d{7}')

_fast = msgspec.json.Decoder(_Batch)
_slow = msgspec.json.Decoder(_RawBatch)
_item = msgspec.json.Decoder(Point)


def decode_batch(body: bytes, *, max_points: int) -> Batch:
    """Decode a JSON body at once; where an item does not fit, item by item.

    Raises:
        MalformedBatchError: It is not JSON of the expected form.
        TooManyPointsError: It holds more than `max_points` items.
    """
    if _MAYBE_FINER.search(body):
        body = _cut_times(body)
    try:
        batch = Batch(list(enumerate(_fast.decode(body).points)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        batch = _decode_items(body)
    count = len(batch.points) + len(batch.rejected)
    if count > max_points:
        msg = f"The batch holds {count} points; send at most {max_points} at once."
        raise TooManyPointsError(msg)
    return batch


def _cut_times(body: bytes) -> bytes:
    """Cut the own times of a batch, or of one item, and nothing else that looks like one."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    points = data.get("points", [data]) if isinstance(data, dict) else None
    for item in points if isinstance(points, list) else ():
        if isinstance(item, dict) and isinstance(item.get("time"), str):
            item["time"] = _FINER_THAN_MICROSECONDS.sub(r"\1\2", item["time"])
    return msgspec.json.encode(data)


def decode_ndjson(body: bytes, *, max_points: int) -> Batch:
    """Decode a body with one item a line; places count the lines that are not empty.

    Raises:
        TooManyPointsError: It holds more than `max_points` items.
    """
    batch = Batch()
    for index, line in enumerate(line for line in BytesIO(body) if line.strip()):
        if index == max_points:
            msg = f"The body holds more than {max_points} points; send fewer at once."
            raise TooManyPointsError(msg)
        _decode_item(batch, index, _cut_times(line) if _MAYBE_FINER.search(line) else line)
    return batch


def _decode_item(batch: Batch, index: int, item: bytes | msgspec.Raw) -> None:
    try:
        batch.points.append((index, _item.decode(item)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        batch.rejected.append(Rejection(index, "invalid", str(error)))


def _decode_items(body: bytes) -> Batch:
    try:
        # Raw items are only skipped over, so that what is no JSON at all shows here.
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        pass  # a number out of range: that item is rejected below
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"The body is not JSON: {error}"
        raise MalformedBatchError(msg) from error
    try:
        items = _slow.decode(body).points
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f'The body is not of the form {{"points": [...]}}: {error}'
        raise MalformedBatchError(msg) from error
    batch = Batch()
    for index, raw in enumerate(items):
        _decode_item(batch, index, raw)
    return batch


def point_fault(point: Point, now: datetime, oldest: datetime) -> tuple[str, str] | None:
    """Return code and sentence of what keeps a point from being stored, robot aside.

    Args:
        point: One item.
        now: The time.
        oldest: The first moment that the organization keeps, `telemetry_kept_since()`.
    """
    if len(point.metric_name) > MAX_METRIC_NAME or not METRIC_NAME.fullmatch(point.metric_name):
        detail = (
            "A metric name is lower-case letters, digits and _ in parts joined by dots, at most "
            f"{MAX_METRIC_NAME} characters."
        )
        return "metric_name", detail
    if not math.isfinite(point.value):
        return "not_finite", "A value is a finite number."
    return _time_fault(point.time, now, oldest) or _attachment_fault(point)


def _time_fault(time: datetime, now: datetime, oldest: datetime) -> tuple[str, str] | None:
    if time > now + MAX_AHEAD:
        return "clock_skew", "The time is more than 5 minutes ahead; check the sender's clock."
    if time < oldest:
        return "too_old", f"Telemetry is kept since {oldest:%Y-%m-%d %H:%M} UTC; this is older."
    return None


def _attachment_fault(point: Point) -> tuple[str, str] | None:
    if point.unit is not None and (len(point.unit) > MAX_UNIT or "\x00" in point.unit):
        return "unit", f"A unit is a UCUM code of at most {MAX_UNIT} characters."
    # The quick look also finds the six characters written out, which may be stored.
    suspect = point.metadata and b"\\u0000" in msgspec.json.encode(point.metadata)
    if suspect and (fault := json_fault(point.metadata)):
        return "metadata", fault
    return None
