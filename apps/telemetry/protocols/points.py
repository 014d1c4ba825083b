"""A batch of points: decoded, checked, and what was wrong with which of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Annotated, Any
from uuid import UUID

import msgspec

from urfmp.common.db.json_values import json_fault
from urfmp.common.exceptions import ApplicationError

METRIC_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
MAX_METRIC_NAME, MAX_UNIT, MAX_SERIAL_NUMBER = 100, 20, 100
MAX_METADATA_BYTES = 4096
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


class Point(msgspec.Struct, gc=False):
    """One item of a batch. `time` is aware; `value` is finite."""

    metric_name: str
    time: datetime
    value: float
    robot_id: UUID | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


class SentPoint(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One item as JSON brings it, with the members of `Point` in their order.

    Time and id stay text: most of them come many times in a batch, and are read once.
    """

    metric_name: str
    time: str
    value: float
    robot_id: str | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[SentPoint]


class _RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    points: list[msgspec.Raw]


class Rejection(msgspec.Struct):
    """Why one item was not stored: its place in the batch, a stable code, and a sentence."""

    index: int
    code: str
    detail: str


Fault = tuple[str, str]
"""A stable code, and a sentence."""


@dataclass
class Batch:
    """Decoded items with their places, and those that could not be decoded."""

    points: list[tuple[int, Point | SentPoint]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


_AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
_LENGTH_OF_MICROSECONDS = len("2026-01-31T12:00:00.000000")
_FINER_THAN_MICROSECONDS = re.compile(r"(.{19}\.\d{6})\d+(.*)", re.DOTALL)

_fast = msgspec.json.Decoder(_Batch)
_slow = msgspec.json.Decoder(_RawBatch)
_item = msgspec.json.Decoder(SentPoint)


def decode_batch(body: bytes, *, max_points: int) -> Batch:
    """Decode a JSON body at once; where an item does not fit, item by item.

    Raises:
        MalformedBatchError: It is not JSON of the expected form.
        TooManyPointsError: It holds more than `max_points` items.
    """
    try:
        batch = Batch([*enumerate(_fast.decode(body).points)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        batch = _decode_items(body)
    count = len(batch.points) + len(batch.rejected)
    if count > max_points:
        msg = f"The batch holds {count} points; send at most {max_points} at once."
        raise TooManyPointsError(msg)
    return batch


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
        _decode_item(batch, index, line)
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


def read_time(text: str) -> datetime:
    """Return the time that a text of RFC 3339 gives, cut to microseconds.

    Cut, not rounded: a point that comes again keeps its key whatever its sender's precision.

    Raises:
        msgspec.ValidationError: It is no time, or has no offset.
    """
    if len(text) > _LENGTH_OF_MICROSECONDS:
        text = _FINER_THAN_MICROSECONDS.sub(r"\1\2", text)
    return msgspec.convert(text, _AwareTime)


def read_id(text: str) -> UUID:
    """Return the id that a text gives.

    Raises:
        msgspec.ValidationError: It is none.
    """
    return msgspec.convert(text, UUID)


def name_fault(metric_name: str) -> Fault | None:
    """Return what keeps a metric's name from being stored, or None."""
    if len(metric_name) <= MAX_METRIC_NAME and METRIC_NAME.fullmatch(metric_name):
        return None
    detail = (
        "A metric name is lower-case letters, digits and _ in parts joined by dots, at most "
        f"{MAX_METRIC_NAME} characters."
    )
    return "metric_name", detail


def time_fault(time: datetime, now: datetime, oldest: datetime) -> Fault | None:
    """Return what keeps a time from being stored, or None.

    Args:
        time: A point's time.
        now: The time.
        oldest: The first moment that the organization keeps, `telemetry_kept_since()`.
    """
    if time > now + MAX_AHEAD:
        return "clock_skew", "The time is more than 5 minutes ahead; check the sender's clock."
    if time < oldest:
        return "too_old", f"Telemetry is kept since {oldest:%Y-%m-%d %H:%M} UTC; this is older."
    return None


def unit_fault(unit: str | None) -> Fault | None:
    """Return what keeps a unit from being stored, or None."""
    if unit is not None and (len(unit) > MAX_UNIT or "\x00" in unit):
        return "unit", f"A unit is a UCUM code of at most {MAX_UNIT} characters."
    return None


def metadata_fault(metadata: dict[str, Any]) -> Fault | None:
    """Return what keeps metadata from being stored, or None."""
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        detail = f"Metadata is at most {MAX_METADATA_BYTES} bytes of JSON."
        return "metadata", detail
    fault = json_fault(metadata)
    return ("metadata", fault) if fault else None
