"""The program of the process that reads spreadsheets.

It reads an XLSX file from standard input and writes a line of JSON for each row of the first sheet
that is not empty: its line and its cells, with dates as objects. An object with `error` ends the
output. The program imports neither Django nor the platform's configuration.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from openpyxl import load_workbook

from apps.robots.protocols.fleet_files.columns import MAX_CELL_CHARS, MAX_COLUMNS, MAX_ROWS
from urfmp.common.security.isolated_process import limit_own_resources

_MAX_MEMORY_BYTES = 768 * 1024 * 1024
_MAX_CPU_SECONDS = 20
# A file of 1 MB can unpack to gigabytes.
MAX_UNPACKED_BYTES = 128 * 1024 * 1024
_MAX_ZIP_ENTRIES = 1_000
# Empty rows are skipped, as far as this line.
_MAX_LINES = 100_000
_MAX_OUTPUT_CHARS = 32 * 1024 * 1024


class SpreadsheetError(Exception):
    """The file cannot be read; the text says what to do."""


def main() -> None:
    """Write the rows of the file in standard input."""
    limit_own_resources(max_memory_bytes=_MAX_MEMORY_BYTES, max_cpu_seconds=_MAX_CPU_SECONDS)
    try:
        for line in spreadsheet_lines(sys.stdin.buffer.read()):
            sys.stdout.write(line)
    except SpreadsheetError as error:
        sys.stdout.write(json.dumps({"error": str(error)}))
    except (MemoryError, RecursionError):
        sys.stdout.write(json.dumps({"error": "The spreadsheet is too large. Split it."}))


def spreadsheet_lines(data: bytes) -> Iterator[str]:
    """Yield a line of JSON for each filled row.

    The first row above the maximum is the last one.

    Raises:
        SpreadsheetError: The file is damaged, or too large when unpacked.
    """
    _check_zip(data)
    size = 0
    for count, (number, cells) in enumerate(_rows(data)):
        line = json.dumps([number, cells]) + "\n"
        size += len(line)
        if size > _MAX_OUTPUT_CHARS:
            _reject("The spreadsheet contains too much text. Split it into several files.")
        yield line
        if count > MAX_ROWS:  # the header is the first one
            return


def _check_zip(data: bytes) -> None:
    """Reject an archive that would fill the memory."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except Exception as error:  # also errors of damaged dates and names
        msg = "The spreadsheet is damaged. Save it again as .xlsx."
        raise SpreadsheetError(msg) from error
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MAX_ZIP_ENTRIES or unpacked > MAX_UNPACKED_BYTES:
        _reject("The spreadsheet is too large when unpacked. Split it into several files.")


def _rows(data: bytes) -> Iterator[tuple[int, list[Any]]]:
    try:
        # Formulas are read as their text, and never calculated.
        workbook = load_workbook(BytesIO(data), read_only=True, keep_links=False)
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()
        rows = sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS)
        for number, row in enumerate(rows, start=1):
            if number > _MAX_LINES:
                _reject(f"The first sheet has more than {_MAX_LINES:,} lines.")
            cells = [_plain(cell) for cell in row]
            while cells and cells[-1] in (None, ""):
                cells.pop()
            if cells:
                yield number, cells
    except (SpreadsheetError, MemoryError, RecursionError):
        raise
    except Exception as error:  # openpyxl raises errors of any type for a broken file
        msg = "The spreadsheet cannot be read. Save it again as .xlsx, without a password."
        raise SpreadsheetError(msg) from error


def _plain(cell: Any) -> Any:
    """Return a cell as JSON; an object for a date."""
    if isinstance(cell, str):
        # The reader rejects a longer text.
        return cell.strip()[: MAX_CELL_CHARS + 1]
    if cell is None or isinstance(cell, bool | int | float):
        return cell
    return {"date": str(cell)}


def _reject(message: str) -> None:
    raise SpreadsheetError(message)
