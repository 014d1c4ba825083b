"""Decoded points, and the checks that each must pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from urfmp.common.db.json_values import json_storage_error
from urfmp.common.db.names import identifier_error
from urfmp.common.time_bounds import Issue


class RawPoint(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A point as sent in JSON.

    It has the fields of `Point`, in the same order. Time and id stay text: most of them repeat
    within a batch and are parsed once.
    """

    metric_name: str
    time: str
    value: float | int
    robot_id: str | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


METRIC_NAME_PATTERN = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
MAX_METRIC_NAME_LENGTH = 100
MAX_UNIT_LENGTH = 20
MAX_SERIAL_NUMBER_LENGTH = 100
MAX_METADATA_BYTES = 4096


class Point(msgspec.Struct, gc=False):
    """A decoded point. `time` is aware; `value` is finite."""

    metric_name: str
    time: datetime
    value: float
    robot_id: UUID | None = None
    serial_number: str | None = None
    unit: str | None = None
    metadata: dict[str, Any] | None = None


class Rejection(msgspec.Struct):
    """Why a point was not stored: index in the batch, code, sentence."""

    index: int
    code: str
    detail: str


@dataclass
class DecodedBatch:
    """Decoded points with their indexes, and rejections of invalid ones."""

    points: list[tuple[int, Point | RawPoint]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


_AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
_MICROSECONDS_LENGTH = len("2026-01-31T12:00:00.000000")
_SUB_MICROSECONDS = re.compile(r"(.{19}\.\d{6})\d+(.*)", re.DOTALL)


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time, truncated to microseconds.

    Truncated, not rounded, so that a resent point keeps its key whatever the sender's precision.

    Raises:
        msgspec.ValidationError: The text is not a time, or has no offset.
    """
    if len(text) > _MICROSECONDS_LENGTH:
        text = _SUB_MICROSECONDS.sub(r"\1\2", text)
    return msgspec.convert(text, _AwareTime)


def parse_uuid(text: str) -> UUID:
    """Parse a UUID.

    Raises:
        msgspec.ValidationError: The text is not a UUID.
    """
    return msgspec.convert(text, UUID)


INEXACT_INTEGER: Issue = (
    "not_exact",
    (
        "The integer cannot be stored exactly: beyond 9,007,199,254,740,992 (2^53) a "
        "double-precision number rounds it. Send it with a decimal point to accept that."
    ),
)


def metric_name_error(metric_name: str) -> Issue | None:
    """Return why a metric name cannot be stored, or None."""
    if len(metric_name) <= MAX_METRIC_NAME_LENGTH and METRIC_NAME_PATTERN.fullmatch(metric_name):
        return None
    detail = (
        "A metric name must consist of lower-case letters, digits and underscores, with parts "
        f"separated by dots; at most {MAX_METRIC_NAME_LENGTH} characters."
    )
    return "metric_name", detail


def unit_error(unit: str | None) -> Issue | None:
    """Return why a unit cannot be stored, or None."""
    if unit is None:
        return None
    if len(unit) > MAX_UNIT_LENGTH:
        return "unit", f"A unit must be a UCUM code of at most {MAX_UNIT_LENGTH} characters."
    message = identifier_error(unit)
    return ("unit", f"The unit is not a UCUM code. {message}") if message else None


def metadata_error(metadata: dict[str, Any]) -> Issue | None:
    """Return why metadata cannot be stored, or None."""
    if len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        detail = f"Metadata must be at most {MAX_METADATA_BYTES} bytes of JSON."
        return "metadata", detail
    error = json_storage_error(metadata)
    return ("metadata", error) if error else None
