"""A batch of points: decoded, checked, and what was wrong with which of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from urfmp.common.db.json_values import json_fault


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


METRIC_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
MAX_METRIC_NAME, MAX_UNIT, MAX_SERIAL_NUMBER = 100, 20, 100
MAX_METADATA_BYTES = 4096
# A robot's clock may be ahead by this much.
MAX_AHEAD = timedelta(minutes=5)


class Point(msgspec.Struct, gc=False):
    """One item of a batch. `time` is aware; `value` is finite."""

    metric_name: str
    time: datetime
    value: float
    robot_id: UUID | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


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
