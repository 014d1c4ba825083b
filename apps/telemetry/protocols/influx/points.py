"""From line protocol to points: what becomes the metric's name, the robot and the value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.accounts.models.line_protocol_mapping import LineMapping
from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.influx.parser import UNITS, Line, decode_lines
from apps.telemetry.protocols.points import MAX_METRIC_NAME, Batch, Point, Rejection

PLAIN = LineMapping()

# Before, after, metadata.
_Ends = tuple[str, str, dict[str, str] | None]

_IDENTITY_TAGS = frozenset({"robot_id", "serial_number"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Enough of a name to see that it is too long, however long it is.
_LONG = MAX_METRIC_NAME + 1
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OTHER = re.compile(r"[^a-z0-9_]")


@dataclass
class LineBatch(Batch):
    """Points with their places, and the line of the body on which each place is."""

    lines: list[int] = field(default_factory=list)

    def reject(self, line: int, code: str, detail: str) -> None:
        """Give the next place to what cannot be a point."""
        self.rejected.append(Rejection(len(self.lines), code, detail))
        self.lines.append(line)


@dataclass(frozen=True)
class _Robot:
    robot_id: UUID | None = None
    serial_number: str | None = None


class _ContradictionError(Exception):
    """The tags of a line name no robot, or two."""


def decode_line_points(
    body: bytes,
    now: datetime,
    *,
    precision: str = "ns",
    max_lines: int,
    max_values: int,
    mapping: LineMapping = PLAIN,
) -> LineBatch:
    """Decode a body of line protocol to points, one for each field.

    The place of a point is its number among all the fields of the body; a line that cannot be
    read takes one place.

    Args:
        body: Line protocol.
        now: The time of a line that gives none.
        precision: A name in `UNITS`.
        max_lines: How many lines there may be.
        max_values: How many fields there may be in all of them.
        mapping: What the key says about tags.

    Raises:
        TooManyPointsError: There are more lines or fields; nothing was kept.
    """
    batch, names = LineBatch(), _Names(mapping)
    for count, entry in enumerate(decode_lines(body, unit=UNITS[precision]), start=1):
        if isinstance(entry, Line):
            _add(batch, entry, now, names)
        else:
            batch.reject(entry.number, "invalid", f"This is no line protocol: {entry.detail}.")
        if count > max_lines or len(batch.lines) > max_values:
            msg = f"Send at most {max_lines} lines and {max_values} fields at once."
            raise TooManyPointsError(msg)
    return batch


def _add(batch: LineBatch, line: Line, now: datetime, names: _Names) -> None:
    try:
        robot = _robot(line, names.mapping.robot_tag)
    except _ContradictionError as error:
        batch.reject(line.number, "unknown_robot", str(error))
        return
    # Times are cut to microseconds, not rounded, so that a resent line keeps its key.
    time = now if line.time is None else _EPOCH + timedelta(microseconds=line.time // 1000)
    before, after, metadata = names.ends(line)
    for key, value in line.fields:
        if isinstance(value, str):
            detail = f"The field {key[:40]!a} holds text; numbers and booleans are stored."
            batch.reject(line.number, "not_numeric", detail)
            continue
        name = f"{before}.{names.field(key)}{after}"
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


def _robot(line: Line, robot_tag: str) -> _Robot:
    tags = dict(line.tags)
    robot_id, serial_number = _uuid(tags.get("robot_id")), tags.get("serial_number")
    if "robot_id" in tags and robot_id is None:
        msg = "The tag robot_id is no UUID."
        raise _ContradictionError(msg)
    if (robot := tags.get(robot_tag)) is None:
        return _Robot(robot_id, serial_number)
    if named := _uuid(robot):
        same, robot_id = robot_id in {None, named}, named
    else:
        same, serial_number = serial_number in {None, robot}, robot
    if not same:
        msg = "The tags name two robots."
        raise _ContradictionError(msg)
    return _Robot(robot_id, serial_number)


def _uuid(text: str | None) -> UUID | None:
    """Return what is written as our ids are; a serial number may be 32 digits without dashes."""
    return UUID(text) if text and _ID.fullmatch(text) else None


class _Names:
    """The parts of names in a body, each worked out once: lines of a series are alike."""

    def __init__(self, mapping: LineMapping) -> None:
        self.mapping = mapping
        self._ends: dict[tuple[str, tuple[tuple[str, str], ...]], _Ends] = {}
        self._fields: dict[str, str] = {}

    def ends(self, line: Line) -> _Ends:
        """Return what stands before and after a field of the line, and its metadata."""
        key = line.measurement, line.tags
        if (known := self._ends.get(key)) is None:
            known = self._ends[key] = _name_ends(line, self.mapping)
        return known

    def field(self, key: str) -> str:
        """Return what stands for a field's key."""
        if (known := self._fields.get(key)) is None:
            known = self._fields[key] = _dotted(key)
        return known


def _name_ends(line: Line, mapping: LineMapping) -> _Ends:
    """Return what stands before and after each field in the name of its metric, and metadata.

    A tag adds its key and its value, so that neither two values nor two tags with the same value
    fall together.
    """
    kept = {tag: value for tag, value in line.tags if tag in mapping.metadata_tags}
    apart = _IDENTITY_TAGS | {mapping.robot_tag} | mapping.metadata_tags | mapping.dropped_tags
    others = [pair for pair in line.tags if pair[0] not in apart]
    after = "".join(f".{_plain(tag)}.{_plain(value)}" for tag, value in others)
    return mapping.prefix + _dotted(line.measurement), after[:_LONG], kept or None


def _dotted(text: str) -> str:
    """Return a part of a name in which dots stay where they part it further."""
    return ".".join(_plain(part) for part in text[:_LONG].split("."))


def _plain(text: str) -> str:
    return _OTHER.sub("_", text.lower()) or "_"
