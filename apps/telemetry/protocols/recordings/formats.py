"""The format of a recording."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from apps.telemetry.choices import RecordingTimeFormat
from apps.telemetry.protocols.points import metric_name_error, unit_error

DELIMITERS = (",", ";", "\t", "|")
DECIMALS = (".", ",")
MAX_COLUMNS = 500


class ColumnFormat(msgspec.Struct, frozen=True):
    """An imported column: position from 0, metric name, and UCUM unit."""

    index: int
    metric_name: str
    unit: str = ""


class RecordingFormat(msgspec.Struct, frozen=True):
    """How a recording is read.

    Attributes:
        delimiter: Character between cells.
        decimal: Decimal separator of numbers.
        time_column: Position of the time column, from 0.
        time_format: Format of the times.
        timezone: IANA name, for dates and times without an offset.
        starts_at: Time to which the first row is moved, and the others with it; None keeps the
            times of the file.
        columns: The columns that are imported.
    """

    delimiter: str
    decimal: str
    time_column: int
    time_format: RecordingTimeFormat
    timezone: str
    columns: tuple[ColumnFormat, ...]
    starts_at: datetime | None = None


def to_document(recording_format: RecordingFormat) -> dict[str, Any]:
    """Return a format as a JSON document."""
    document: dict[str, Any] = msgspec.to_builtins(recording_format)
    return document


def from_document(document: Any) -> RecordingFormat:
    """Return the format that `to_document()` wrote."""
    return msgspec.convert(document, RecordingFormat)


def format_errors(recording_format: RecordingFormat, header_width: int) -> list[str]:
    """Return the errors of a format, as sentences for users."""
    errors = []
    if recording_format.delimiter not in DELIMITERS:
        errors.append("Choose the character between columns.")
    if recording_format.decimal not in DECIMALS:
        errors.append("Choose the decimal separator.")
    if not 0 <= recording_format.time_column < header_width:
        errors.append("Choose the time column.")
    if recording_format.time_format == RecordingTimeFormat.ELAPSED and not (
        recording_format.starts_at
    ):
        errors.append("Enter the time of the first row: the times count from there.")
    if not recording_format.columns:
        errors.append("Enter a metric for at least one column.")
    names = Counter(column.metric_name for column in recording_format.columns)
    errors += [f"Two columns have the metric {name}." for name, n in names.items() if n > 1]
    for column in recording_format.columns:
        for issue in (metric_name_error(column.metric_name), unit_error(column.unit or None)):
            if issue is not None:
                errors.append(f"{column.metric_name}: {issue[1]}")
    return errors
