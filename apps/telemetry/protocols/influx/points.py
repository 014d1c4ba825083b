"""Convert line protocol to points, one for each field."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.influx.parser import PRECISIONS, ParsedLine, parse_lines
from apps.telemetry.protocols.points import (
    INEXACT_INTEGER,
    MAX_METRIC_NAME_LENGTH,
    DecodedBatch,
    Point,
    Rejection,
)

DEFAULT_MAPPING = LineProtocolMapping()

_IDENTITY_TAGS = frozenset({"robot_id", "serial_number"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Longer names are truncated to this, which still fails validation.
_MAX_NAME_PART = MAX_METRIC_NAME_LENGTH + 1
_UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNSAFE_CHARACTER = re.compile(r"[^a-z0-9_]")
_SAFE_PART = re.compile(r"[a-z0-9_]+")
# 50 bits: among a million names of one organization, two are the same once in 2,000 cases.
_DIGEST_LENGTH = 10
_DIGEST = re.compile(rf"__h[a-z2-7]{{{_DIGEST_LENGTH}}}\Z")
# How many changed names a response lists.
MAX_RENAMED_LISTED = 5


@dataclass
class LineProtocolBatch(DecodedBatch):
    """Decoded points, the line number of each index, and changed names.

    Attributes:
        lines: Line number of each index.
        renamed: Metric names by the sent names that they do not equal; the first ones.
    """

    lines: list[int] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def reject(self, line: int, code: str, detail: str) -> None:
        """Reject a line or field under the next index."""
        self.rejected.append(Rejection(len(self.lines), code, detail))
        self.lines.append(line)


@dataclass(frozen=True)
class _RobotReference:
    robot_id: UUID | None = None
    serial_number: str | None = None


class AmbiguousRobotError(Exception):
    """The tags of a line name an invalid robot, or two robots."""


def decode_line_protocol(
    body: bytes,
    now: datetime,
    *,
    precision: str = "ns",
    max_lines: int,
    max_values: int,
    mapping: LineProtocolMapping = DEFAULT_MAPPING,
) -> LineProtocolBatch:
    """Decode line protocol to points, one for each field.

    A point's index counts the fields of the body; an invalid line counts as one.

    Args:
        body: Line protocol.
        now: Time for lines without one.
        precision: A name in `PRECISIONS`.
        max_lines: Maximum number of lines.
        max_values: Maximum number of fields in all lines.
        mapping: The API key's tag mapping.

    Raises:
        TooManyPointsError: The body has more lines or fields.
    """
    batch = LineProtocolBatch()
    names = _NameCache(mapping, batch.renamed)
    for count, entry in enumerate(parse_lines(body, unit=PRECISIONS[precision]), start=1):
        if isinstance(entry, ParsedLine):
            _add_points(batch, entry, now, names)
        else:
            batch.reject(entry.number, "invalid", f"Invalid line protocol: {entry.detail}.")
        if count > max_lines or len(batch.lines) > max_values:
            msg = f"Send at most {max_lines} lines and {max_values} fields at once."
            raise TooManyPointsError(msg)
    return batch


def _add_points(
    batch: LineProtocolBatch, line: ParsedLine, now: datetime, names: _NameCache
) -> None:
    try:
        robot = _robot_reference(line, names.mapping.robot_tag)
    except AmbiguousRobotError as error:
        batch.reject(line.number, "unknown_robot", str(error))
        return
    # Times are truncated to microseconds, not rounded, so that a resent line keeps its key.
    time = now if line.time is None else _EPOCH + timedelta(microseconds=line.time // 1000)
    line_names = names.of(line)
    for key, value in line.fields:
        if isinstance(value, str):
            detail = f"The field {key[:40]!a} is text; only numbers and booleans are stored."
            batch.reject(line.number, "not_numeric", detail)
            continue
        if type(value) is not float and int(value) != int(float(value)):
            batch.reject(line.number, *INEXACT_INTEGER)
            continue
        point = Point(
            line_names.of(key),
            time,
            float(value),
            robot.robot_id,
            robot.serial_number,
            metadata=line_names.metadata,
        )
        batch.points.append((len(batch.lines), point))
        batch.lines.append(line.number)


def _robot_reference(line: ParsedLine, robot_tag: str) -> _RobotReference:
    tags = dict(line.tags)
    robot_id, serial_number = _parse_uuid(tags.get("robot_id")), tags.get("serial_number")
    if "robot_id" in tags and robot_id is None:
        msg = "The tag robot_id is not a UUID."
        raise AmbiguousRobotError(msg)
    if (robot := tags.get(robot_tag)) is None:
        return _RobotReference(robot_id, serial_number)
    if named := _parse_uuid(robot):
        same, robot_id = robot_id in {None, named}, named
    else:
        same, serial_number = serial_number in {None, robot}, robot
    if not same:
        msg = "The tags name two robots."
        raise AmbiguousRobotError(msg)
    return _RobotReference(robot_id, serial_number)


def _parse_uuid(text: str | None) -> UUID | None:
    """Parse a UUID with dashes; without them it is a serial number."""
    return UUID(text) if text and _UUID_PATTERN.fullmatch(text) else None


class _NameCache:
    """Caches the naming of lines, which many lines share."""

    def __init__(self, mapping: LineProtocolMapping, renamed: dict[str, str]) -> None:
        self.mapping = mapping
        self._renamed = renamed
        self._lines: dict[tuple[str, tuple[tuple[str, str], ...]], _LineNames] = {}

    def of(self, line: ParsedLine) -> _LineNames:
        """Return the metric names of a line's fields, and its metadata."""
        key = line.measurement, line.tags
        if (names := self._lines.get(key)) is None:
            names = self._lines[key] = _LineNames(line, self.mapping, self._renamed)
        return names


class _LineNames:
    """Metric names of lines with the same measurement and tags.

    A tag adds its key and its value, so that neither two values nor two tags with the same value
    yield the same name.
    """

    def __init__(
        self, line: ParsedLine, mapping: LineProtocolMapping, renamed: dict[str, str]
    ) -> None:
        taken = _IDENTITY_TAGS | {mapping.robot_tag} | mapping.metadata_tags | mapping.dropped_tags
        self.metadata = {
            tag: value for tag, value in line.tags if tag in mapping.metadata_tags
        } or None
        self._prefix = mapping.prefix
        self._measurement = line.measurement
        self._tags = [pair for pair in line.tags if pair[0] not in taken]
        self._renamed = renamed
        self._names: dict[str, str] = {}

    def of(self, field_key: str) -> str:
        """Return the metric name of a field."""
        if (name := self._names.get(field_key)) is None:
            name = self._names[field_key] = self._metric_name(field_key)
        return name

    def _metric_name(self, field_key: str) -> str:
        dotted = f"{self._measurement}.{field_key}"
        parts = dotted.split(".") + [part for pair in self._tags for part in pair]
        name = metric_name_of(parts)
        if name != ".".join(parts) and len(self._renamed) < MAX_RENAMED_LISTED:
            tags = "".join(f",{tag}={value}" for tag, value in self._tags)
            sent = f"{self._measurement}{tags} {field_key}"
            self._renamed[sent[:_MAX_NAME_PART]] = (self._prefix + name)[:_MAX_NAME_PART]
        return (self._prefix + name)[:_MAX_NAME_PART]


def metric_name_of(parts: Sequence[str]) -> str:
    """Return the metric name of parts, different for different parts.

    Parts of lower-case letters, digits and underscores are joined by dots. Otherwise each other
    character becomes an underscore, and a digest of the parts follows: `joint.j1_temp__h` and ten
    characters. A name that ends like this gets a digest, too, so that it differs from all others.
    """
    name = ".".join([_UNSAFE_CHARACTER.sub("_", part.lower()) or "_" for part in parts])
    if all(map(_SAFE_PART.fullmatch, parts)) and not _DIGEST.search(name):
        return name
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).digest()
    return f"{name}__h{base64.b32encode(digest).decode().lower()[:_DIGEST_LENGTH]}"
