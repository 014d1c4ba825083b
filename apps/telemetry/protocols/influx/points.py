"""Convert line protocol to points, one for each field."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.influx.parser import PRECISIONS, ParsedLine, parse_lines
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH, DecodedBatch, Point, Rejection

DEFAULT_MAPPING = LineProtocolMapping()

# Prefix, suffix, metadata.
_NameParts = tuple[str, str, dict[str, str] | None]

_IDENTITY_TAGS = frozenset({"robot_id", "serial_number"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Longer names are truncated to this, which still fails validation.
_MAX_NAME_PART = MAX_METRIC_NAME_LENGTH + 1
_UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNSAFE_CHARACTER = re.compile(r"[^a-z0-9_]")


@dataclass
class LineProtocolBatch(DecodedBatch):
    """Decoded points, and the line number of each index."""

    lines: list[int] = field(default_factory=list)

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
    names = _NameCache(mapping)
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
    prefix, suffix, metadata = names.parts(line)
    for key, value in line.fields:
        if isinstance(value, str):
            detail = f"The field {key[:40]!a} is text; only numbers and booleans are stored."
            batch.reject(line.number, "not_numeric", detail)
            continue
        name = f"{prefix}.{names.field(key)}{suffix}"
        point = Point(
            name,
            time,
            float(value),
            robot.robot_id,
            robot.serial_number,
            metadata=metadata,
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
    """Caches the parts of metric names, which many lines share."""

    def __init__(self, mapping: LineProtocolMapping) -> None:
        self.mapping = mapping
        self._parts: dict[tuple[str, tuple[tuple[str, str], ...]], _NameParts] = {}
        self._fields: dict[str, str] = {}

    def parts(self, line: ParsedLine) -> _NameParts:
        """Return prefix and suffix of a line's metric names, and its metadata."""
        key = line.measurement, line.tags
        if (parts := self._parts.get(key)) is None:
            parts = self._parts[key] = _name_parts(line, self.mapping)
        return parts

    def field(self, key: str) -> str:
        """Return the part of the metric name for a field key."""
        if (name := self._fields.get(key)) is None:
            name = self._fields[key] = _sanitize_dotted(key)
        return name


def _name_parts(line: ParsedLine, mapping: LineProtocolMapping) -> _NameParts:
    """Return the prefix and suffix of metric names, and the metadata.

    A tag adds its key and its value, so that neither two values nor two tags with the same value
    yield the same name.
    """
    metadata = {tag: value for tag, value in line.tags if tag in mapping.metadata_tags}
    excluded = _IDENTITY_TAGS | {mapping.robot_tag} | mapping.metadata_tags | mapping.dropped_tags
    name_tags = [pair for pair in line.tags if pair[0] not in excluded]
    suffix = "".join(f".{_sanitize(tag)}.{_sanitize(value)}" for tag, value in name_tags)
    return (
        mapping.prefix + _sanitize_dotted(line.measurement),
        suffix[:_MAX_NAME_PART],
        metadata or None,
    )


def _sanitize_dotted(text: str) -> str:
    """Return a valid part of a metric name; dots are kept."""
    return ".".join(_sanitize(part) for part in text[:_MAX_NAME_PART].split("."))


def _sanitize(text: str) -> str:
    return _UNSAFE_CHARACTER.sub("_", text.lower()) or "_"
