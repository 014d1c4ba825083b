"""Convert line protocol to points, one for each field."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.influx.parser import PRECISIONS, ParsedLine, parse_lines
from apps.telemetry.protocols.points import INEXACT_INTEGER, DecodedBatch, Point, Rejection
from apps.telemetry.protocols.tag_mapping import (
    DEFAULT_MAPPING,
    AmbiguousRobotError,
    TagNames,
    robot_reference,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        robot = robot_reference(dict(line.tags), names.mapping.robot_tag)
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
            tag_names = TagNames(line.tags, self.mapping, self._renamed)
            names = self._lines[key] = _LineNames(line.measurement, tag_names)
        return names


class _LineNames:
    """Metric names of lines with the same measurement and tags."""

    def __init__(self, measurement: str, tag_names: TagNames) -> None:
        self.metadata = tag_names.metadata
        self._measurement = measurement
        self._tag_names = tag_names
        self._names: dict[str, str] = {}

    def of(self, field_key: str) -> str:
        """Return the metric name of a field."""
        if (name := self._names.get(field_key)) is None:
            name = self._names[field_key] = self._tag_names.metric_name(
                f"{self._measurement}.{field_key}", sent=(self._measurement, f" {field_key}")
            )
        return name
