"""Read files of robots.

The content decides on the format, not the name.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.audit.selectors.canonical import FORMULA_PREFIXES
from apps.robots.exceptions import FleetFileBusyError, InvalidFleetFileError
from apps.robots.protocols.fleet_files.columns import (
    COLUMNS,
    COLUMNS_BY_NAME,
    MAX_COLUMNS,
    MAX_ROWS,
    CellError,
    DateCell,
    read_cell,
)
from urfmp.common.db.json_values import exceeds_max_depth
from urfmp.common.db.names import normalize_identifier
from urfmp.common.security.isolated_process import (
    IsolatedProgram,
    ProcessBusyError,
    ProcessFailedError,
)

MAX_FILE_BYTES = 8 * 1024 * 1024
# More values than any file of robots has: each takes memory while the file is read.
_MAX_JSON_VALUES = 1_000_000
_MAX_JSON_CONTAINERS = 100_000
_MAX_HEADER_CHARS = 20_000
_ZIP_START = b"PK\x03\x04"
_OLD_EXCEL_START = b"\xd0\xcf\x11\xe0"
_DELIMITERS = (",", ";", "\t", "|")
_KEYS = ("id", "serial_number")
# XML in ZIP can unpack to gigabytes; CSV and JSON cannot, and are read here.
_spreadsheet_reader = IsolatedProgram(
    "apps.robots.protocols.fleet_files.spreadsheet_program",
    timeout_seconds=30,
    max_wait_seconds=5,
)


@dataclass
class FileRow:
    """A row of a file.

    Attributes:
        line: Line of a spreadsheet, where the header is line 1, or number of a JSON object.
        values: Values by column; None for an empty cell.
        errors: Errors by column.
    """

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def read_fleet_file(data: bytes) -> list[FileRow]:
    """Return the rows of a file.

    A row has errors if a cell cannot be read, or if another row has the same id or serial number.

    Raises:
        InvalidFleetFileError: The file is too large, has an unknown format or column, or no rows.
        FleetFileBusyError: Another spreadsheet is still being read.
    """
    if len(data) > MAX_FILE_BYTES:
        raise InvalidFleetFileError(too_large_message())
    if data.startswith(_ZIP_START):
        rows = _read_lines(_xlsx_lines(data))
    elif data.startswith(_OLD_EXCEL_START):
        _reject("This is a file of an old Excel. Save it as .xlsx.")
    elif data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"[", b"{"):
        rows = rows_of_objects(_json_objects(data))
    else:
        rows = _read_csv(_decode(data))
    return rows


def rows_of_objects(objects: Any) -> list[FileRow]:
    """Return the rows of JSON objects, whose members are columns.

    Raises:
        InvalidFleetFileError: A member is unknown, or there are no or too many objects.
    """
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        _reject("The JSON must be an array of objects, one for each robot.")
    _check_columns(sorted({name for item in objects for name in item}))
    return _checked(_read_row(number, item) for number, item in enumerate(objects, start=1))


def _reject(message: str) -> Any:
    raise InvalidFleetFileError(message)


def too_large_message() -> str:
    """Return what to do with a file that is too large."""
    return f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB. Split it into several files."


def _decode(data: bytes) -> str:
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            return data.decode("utf-16", errors="replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        msg = (
            f"Line {line} is not UTF-8; the file may be Latin-1 (Windows-1252). In Excel, save it"
            " as “CSV UTF-8”."
        )
        raise InvalidFleetFileError(msg) from error
    if "\x00" in text:
        _reject("The file is not text. Upload CSV, XLSX or JSON.")
    return text


def _read_csv(text: str) -> list[FileRow]:
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # a hint that Excel writes
        first, text = rest.partition("\n")[0], rest
        offset = 1
    else:
        offset = 0
    first = first[:_MAX_HEADER_CHARS]
    delimiter = max(_DELIMITERS, key=lambda mark: _known_names(first, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def lines() -> Iterator[tuple[int, list[Any]]]:
        while True:
            start = reader.line_num + 1 + offset
            try:
                cells: list[Any] = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                _reject(f"Line {start} is not CSV: {error}.")
            while cells and not cells[-1].strip():
                cells.pop()
            if len(cells) > MAX_COLUMNS:
                _reject(f"Line {start} has more than {MAX_COLUMNS} cells.")
            yield start, [_without_escape(cell) for cell in cells]

    return _read_lines(lines(), has_decimal_comma=delimiter == ";")


def _known_names(line: str, delimiter: str) -> int:
    names = {_column_name(cell.strip('" \r')) for cell in line.split(delimiter)}
    return len(names & COLUMNS_BY_NAME.keys())


def _without_escape(cell: str) -> str:
    """Remove the escape of exports that protects from formulas."""
    is_escaped = cell.startswith("'") and cell[1:].startswith(FORMULA_PREFIXES)
    return cell[1:] if is_escaped else cell


def _xlsx_lines(data: bytes) -> Iterator[tuple[int, list[Any]]]:
    try:
        output = _spreadsheet_reader.run(data)
    except ProcessBusyError as error:
        raise FleetFileBusyError from error
    except ProcessFailedError as error:
        msg = "The spreadsheet is too large or damaged. Save it again as .xlsx, or as CSV."
        raise InvalidFleetFileError(msg) from error
    for text in output.splitlines():
        line = json.loads(text)
        if isinstance(line, dict):
            _reject(line["error"])
        number, cells = line
        yield number, [DateCell(cell["date"]) if isinstance(cell, dict) else cell for cell in cells]


def _json_objects(data: bytes) -> Any:
    body = data.removeprefix(codecs.BOM_UTF8)
    containers = body.count(b"{") + body.count(b"[")
    if containers > _MAX_JSON_CONTAINERS or body.count(b",") > _MAX_JSON_VALUES:
        _reject("The JSON has too many values. Split it into several files.")
    try:
        objects = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"The file is not JSON: {error}"
        raise InvalidFleetFileError(msg) from error
    if exceeds_max_depth(body, objects):
        _reject("The JSON is nested too deeply.")
    if isinstance(objects, dict) and set(objects) == {"robots"}:
        return objects["robots"]
    return objects


def _read_lines(
    lines: Iterable[tuple[int, list[Any]]], *, has_decimal_comma: bool = False
) -> list[FileRow]:
    iterator = iter(lines)
    header = next(iterator, None)
    names = [_column_name(cell) for cell in (header[1] if header else ())]
    while names and not names[-1]:
        names.pop()
    if not names:
        _reject("The file is empty. Its first line must name the columns.")
    _check_columns(names)

    def rows() -> Iterator[FileRow]:
        for line, cells in iterator:
            if all(cell is None or not str(cell).strip() for cell in cells):
                continue
            padded = [*cells, *[None] * (len(names) - len(cells))]
            row = _read_row(
                line,
                dict(zip(names, padded, strict=False)),
                has_decimal_comma=has_decimal_comma,
            )
            if any(cell is not None and str(cell).strip() for cell in cells[len(names) :]):
                row.errors.setdefault("", "The row has more cells than the header.")
            yield row

    return _checked(rows())


def _column_name(cell: Any) -> str:
    text = "" if cell is None else str(cell).strip()
    return text.lower().replace(" ", "_").replace("-", "_")


def _check_columns(names: list[str]) -> None:
    if unknown := [name for name in names if name not in COLUMNS_BY_NAME]:
        shown = ", ".join(name[:50] or "(empty)" for name in unknown[:10])
        known = ", ".join(column.name for column in COLUMNS)
        _reject(f"Unknown columns: {shown}. Known columns: {known}.")
    if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
        _reject(f"Columns that occur twice: {', '.join(repeated)}.")
    if names and not set(names) & set(_KEYS):
        _reject("A column serial_number or id is missing, by which robots are found.")


def _read_row(line: int, cells: dict[str, Any], *, has_decimal_comma: bool = False) -> FileRow:
    row = FileRow(line)
    for name, cell in cells.items():
        column = COLUMNS_BY_NAME[name]
        if column.is_read_only:
            continue
        try:
            row.values[name] = read_cell(column, cell, has_decimal_comma=has_decimal_comma)
        except CellError as error:
            row.errors[name] = str(error)
    if not row.errors and not any(row.values.get(name) for name in _KEYS):
        row.errors["serial_number"] = (
            "Enter a serial number, or the id of a robot: without one, a second import would add"
            " the robot again."
        )
    return row


def _checked(rows: Iterator[FileRow]) -> list[FileRow]:
    """Return all rows, with errors of repeated keys.

    Raises:
        InvalidFleetFileError: There are no or too many rows.
    """
    found: list[FileRow] = []
    for row in rows:
        if len(found) == MAX_ROWS:
            _reject(f"The file has more than {MAX_ROWS:,} rows. Split it into several files.")
        found.append(row)
    if not found:
        _reject("The file has no rows.")
    for name in _KEYS:
        lines: dict[str, int] = {}
        for row in found:
            if (text := row.values.get(name)) is None:
                continue
            key = text.lower() if name == "id" else normalize_identifier(text)
            if (first := lines.setdefault(key, row.line)) != row.line:
                row.errors.setdefault(name, f"Line {first} has the same value.")
    return found
