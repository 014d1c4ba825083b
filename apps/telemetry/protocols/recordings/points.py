"""Turn the rows of a recording into telemetry points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.telemetry.exceptions import InvalidRecordingError
from apps.telemetry.protocols.points import INEXACT_INTEGER, Point
from apps.telemetry.protocols.recordings.formats import RecordingFormat
from apps.telemetry.protocols.recordings.text import read_rows
from apps.telemetry.protocols.recordings.times import TimeParser
from apps.telemetry.protocols.recordings.values import is_inexact, parse_value


@dataclass(frozen=True)
class CellError:
    """Why a cell is not a point.

    Attributes:
        row: Number of the row as in a spreadsheet: the header is row 1.
        column: Name of the column.
        code: Stable error code: `time`, `value`, or that of ingest.
        detail: Sentence for users.
    """

    row: int
    column: str
    code: str
    detail: str


@dataclass
class RecordingRow:
    """A row of a recording.

    Attributes:
        number: Number of the row as in a spreadsheet: the header is row 1.
        points: Its points.
        columns: The column of each point.
        errors: Its cells that are not points. Empty cells are neither.
    """

    number: int
    points: list[Point] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    errors: list[CellError] = field(default_factory=list)


def read_recording(
    parts: Iterable[bytes], recording_format: RecordingFormat, robot_id: UUID
) -> Iterator[RecordingRow]:
    """Yield the rows of a recording; blank rows are omitted.

    Args:
        parts: The bytes of the file, in parts of any size.
        recording_format: Format of the file; must be free of `format_errors()`.
        robot_id: Robot of the points.

    Raises:
        InvalidRecordingError: The file is damaged or has no header.
    """
    rows = read_rows(parts, recording_format.delimiter)
    header = [name.strip() for name in next(rows, [])]
    if not header:
        msg = "The file is empty."
        raise InvalidRecordingError(msg)
    times = TimeParser(
        recording_format.time_format,
        timezone=ZoneInfo(recording_format.timezone),
        decimal=recording_format.decimal,
        starts_at=recording_format.starts_at,
    )
    for number, cells in enumerate(rows, start=2):
        if any(cell.strip() for cell in cells):
            yield _parse_row(RecordingRow(number), cells, header, recording_format, times, robot_id)


def _parse_row(
    row: RecordingRow,
    cells: list[str],
    header: list[str],
    recording_format: RecordingFormat,
    times: TimeParser,
    robot_id: UUID,
) -> RecordingRow:
    time_column = recording_format.time_column
    try:
        time = times.parse(cells[time_column] if time_column < len(cells) else "")
    except ValueError as error:
        row.errors.append(CellError(row.number, _name(header, time_column), "time", str(error)))
        return row
    for column in recording_format.columns:
        text = cells[column.index].strip() if column.index < len(cells) else ""
        if not text:
            continue
        name = _name(header, column.index)
        try:
            value = parse_value(text, recording_format.decimal)
        except ValueError as error:
            row.errors.append(CellError(row.number, name, "value", str(error)))
            continue
        if is_inexact(text, value):
            row.errors.append(CellError(row.number, name, *INEXACT_INTEGER))
            continue
        row.points.append(
            Point(column.metric_name, time, value, robot_id=robot_id, unit=column.unit or None)
        )
        row.columns.append(name)
    return row


def _name(header: list[str], index: int) -> str:
    return header[index] if index < len(header) else f"column {index + 1}"
