"""Detect the format of a recording from its beginning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

import msgspec

from apps.telemetry.choices import RecordingTimeFormat
from apps.telemetry.exceptions import InvalidRecordingError
from apps.telemetry.protocols.recordings.columns import TIME_COLUMNS, is_ignored, propose_metric
from apps.telemetry.protocols.recordings.formats import (
    DELIMITERS,
    MAX_COLUMNS,
    ColumnFormat,
    RecordingFormat,
)
from apps.telemetry.protocols.recordings.text import read_rows
from apps.telemetry.protocols.recordings.times import detect_time_format
from apps.telemetry.protocols.recordings.values import parse_value

# Bytes that are read to propose a format; gzip needs the beginning only.
SAMPLE_BYTES = 256 * 1024
_SAMPLE_ROWS = 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


class RecordingSample(msgspec.Struct, frozen=True):
    """The columns, first rows and proposed format of a recording."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    proposed: RecordingFormat


def sample_recording(first_bytes: bytes, *, timezone: str, delimiter: str = "") -> RecordingSample:
    """Read the beginning of a file and propose its format.

    Args:
        first_bytes: The beginning of the file, or all of it; it may end in the middle of a row.
        timezone: IANA name, for dates and times without an offset.
        delimiter: Character between cells; detected if empty.

    Raises:
        InvalidRecordingError: The file has no header, too many columns, or is not CSV.
    """
    delimiter = delimiter or _detect_delimiter(first_bytes)
    rows = _first_rows(first_bytes, delimiter)
    if not rows or len(rows) < 2:
        msg = "The file has no rows. Its first row must name the columns."
        raise InvalidRecordingError(msg)
    header = tuple(name.strip() for name in rows[0])
    if len(header) > MAX_COLUMNS:
        msg = f"The file has {len(header)} columns; at most {MAX_COLUMNS} can be imported."
        raise InvalidRecordingError(msg)
    body = tuple(tuple(row) for row in rows[1:] if any(cell.strip() for cell in row))
    decimal = _detect_decimal(body, delimiter)
    time_column, time_format = _detect_time_column(header, body, decimal)
    return RecordingSample(
        header,
        body,
        RecordingFormat(
            delimiter=delimiter,
            decimal=decimal,
            time_column=time_column,
            time_format=time_format,
            timezone=timezone,
            columns=tuple(_propose_columns(header, body, decimal, time_column)),
        ),
    )


def _first_rows(first_bytes: bytes, delimiter: str) -> list[list[str]]:
    """Return the header and at most `_SAMPLE_ROWS` complete rows."""
    is_cut = len(first_bytes) >= SAMPLE_BYTES
    rows = list(islice(read_rows([first_bytes], delimiter, is_sample=is_cut), _SAMPLE_ROWS + 2))
    return rows[: _SAMPLE_ROWS + 1] if len(rows) > _SAMPLE_ROWS or not is_cut else rows[:-1]


def _detect_delimiter(first_bytes: bytes) -> str:
    """Return the delimiter that gives columns of times and values."""

    def score(delimiter: str) -> tuple[bool, int, int]:
        rows = [row for row in _first_rows(first_bytes, delimiter) if row]
        decimal = _detect_decimal(rows[1:], delimiter)
        known = sum(
            detect_time_format(cell, decimal) is not None or _is_value(cell, decimal)
            for row in rows[1:]
            for cell in row
        )
        width = len(rows[0]) if rows else 0
        return width > 1 and {len(row) for row in rows} == {width}, known, width

    return max(DELIMITERS, key=score)


def _detect_decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows for cell in row]
    return "," if any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells) else "."


def _detect_time_column(
    header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], decimal: str
) -> tuple[int, RecordingTimeFormat]:
    """Return the time column and its format, by name or content."""
    formats = [
        {detect_time_format(row[index], decimal) for row in rows if index < len(row)}
        for index in range(len(header))
    ]
    for index, name in enumerate(header):
        (found, *others) = formats[index] or {None}
        if name.lower() in TIME_COLUMNS and found is not None and not others:
            return index, found
    for index, found_formats in enumerate(formats):
        # A column of small numbers is more likely a measurement than a time.
        if len(found_formats) == 1 and not found_formats & {None, RecordingTimeFormat.ELAPSED}:
            return index, next(iter(found_formats)) or RecordingTimeFormat.DATETIME
    return 0, RecordingTimeFormat.ELAPSED


def _propose_columns(
    header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], decimal: str, time_column: int
) -> list[ColumnFormat]:
    proposed: list[ColumnFormat] = []
    names: set[str] = set()
    for index, column in enumerate(header):
        if index == time_column or is_ignored(column) or not _is_numeric(rows, index, decimal):
            continue
        metric, unit = propose_metric(column)
        metric = metric or f"column_{index + 1}"
        if metric in names:
            metric = f"{metric}_{index + 1}"
        names.add(metric)
        proposed.append(ColumnFormat(index, metric, unit))
    return proposed


def _is_numeric(rows: tuple[tuple[str, ...], ...], index: int, decimal: str) -> bool:
    """Return whether at least half of the filled cells are values."""
    cells = [row[index] for row in rows if index < len(row) and row[index].strip()]
    return bool(cells) and 2 * sum(_is_value(cell, decimal) for cell in cells) >= len(cells)


def _is_value(cell: str, decimal: str) -> bool:
    try:
        parse_value(cell, decimal)
    except ValueError:
        return False
    return True
