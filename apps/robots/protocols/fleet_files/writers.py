"""Write files of robots, which imports read back unchanged."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from apps.audit.selectors.canonical import FORMULA_PREFIXES
from apps.robots.protocols.fleet_files.columns import COLUMNS

_PART_BYTES = 64 * 1024
_NAMES = [column.name for column in COLUMNS]


@dataclass(frozen=True)
class FileFormat:
    """A format of files of robots.

    Attributes:
        content_type: Media type.
        write: Function from the values of robots, by column, to the parts of the file.
    """

    content_type: str
    write: Callable[[Iterable[dict[str, Any]]], Iterator[bytes]]


def _plain(value: Any) -> Any:
    """Return a value as cells contain it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "|".join(value) if isinstance(value, list) else value


def csv_cell(value: Any) -> str:
    """Return a value as CSV, never a formula of a spreadsheet."""
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_PREFIXES) else value
    return repr(value)


def _csv_parts(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    yield codecs.BOM_UTF8  # for Excel
    writer.writerow(_NAMES)
    for record in records:
        writer.writerow([csv_cell(record[name]) for name in _NAMES])
        if text.tell() >= _PART_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _json_parts(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    start = "[\n"
    for record in records:
        values = {
            name: value if isinstance(value := record[name], list) else _plain(value)
            for name in _NAMES
        }
        yield (start + json.dumps(values, ensure_ascii=False)).encode()
        start = ",\n"
    yield b"[]\n" if start == "[\n" else b"\n]\n"


def _xlsx_parts(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("Robots")
    sheet.append(_NAMES)
    for record in records:
        sheet.append([_xlsx_cell(sheet, record[name]) for name in _NAMES])
    with SpooledTemporaryFile(max_size=8 * 1024 * 1024) as file:
        workbook.save(file)
        file.seek(0)
        while part := file.read(_PART_BYTES):
            yield part


def _xlsx_cell(sheet: Any, value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, float) and float(f"{value:.16g}") != value:
        value = repr(value)  # a spreadsheet would round it
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
    cell.data_type = "s"  # a text, also if it begins like a formula
    return cell


FORMATS = {
    "csv": FileFormat("text/csv; charset=utf-8", _csv_parts),
    "xlsx": FileFormat(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _xlsx_parts
    ),
    "json": FileFormat("application/json; charset=utf-8", _json_parts),
}
