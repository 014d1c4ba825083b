"""Canonical form of an audit row, and verification of exported files.

The database hashes each row as a JSON array, together with the hash of the previous row. The same
is done here from an exported file alone, so that a file can be verified without the database.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

# The hashed columns, in the order in which they are hashed.
HASHED_COLUMNS = (
    "seq", "id", "organization_id", "user_id", "api_key_id", "action", "resource_type",
    "resource_id", "before", "after", "ip_address", "user_agent", "request_id", "request_data",
    "response_data", "success", "error_message", "created_at",
)  # fmt: skip
JSON_COLUMNS = frozenset({"before", "after", "request_data", "response_data"})
# Characters that start a formula in a spreadsheet, and the quote that escapes them.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "'")
_MAX_CELL_CHARS = 2**30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _NumberText(str):
    """A number with its original text: 1.0 and 1 differ."""

    __slots__ = ()


def canonical_loads(text: str) -> Any:
    """Parse JSON and keep the text of its numbers."""
    return json.loads(text, parse_float=_NumberText, parse_int=_NumberText)


def canonical_dumps(value: Any) -> str:
    """Format a value as PostgreSQL formats jsonb."""
    if isinstance(value, _NumberText):
        return str(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return (
            "{"
            + ", ".join(f"{canonical_dumps(key)}: {canonical_dumps(value[key])}" for key in keys)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(canonical_dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def row_hash(row: dict[str, Any], previous: bytes) -> str:
    """Return the hash of a row and the previous hash, in hexadecimal."""
    values = [row[name] for name in HASHED_COLUMNS]
    created_at = datetime.fromisoformat(values[-1])
    values[-1] = _NumberText((created_at - _EPOCH) // timedelta(microseconds=1))
    return hashlib.sha256(previous + canonical_dumps(values).encode()).hexdigest()


@dataclass
class ExportReport:
    """Result of verifying an exported file.

    Attributes:
        rows: Number of valid rows.
        missing: Number of rows between the first and the last one that are not in the file.
        last_seq: Number of the last valid row.
        last_hash: Hash of the last valid row, to compare with a signed checkpoint.
        error: First invalid row, and the reason.
    """

    rows: int = 0
    missing: int = 0
    last_seq: int = 0
    last_hash: str = ""
    error: str | None = None


def verify_rows(rows: Iterable[dict[str, Any]]) -> ExportReport:
    """Verify the hash of each row and its previous hash.

    Stops at the first error.
    """
    report = ExportReport()
    for row in rows:
        seq = int(row["seq"])
        previous = row["previous_hash"]
        if report.last_seq and seq <= report.last_seq:
            report.error = f"row {seq}: it follows row {report.last_seq}"
        elif seq == report.last_seq + 1 and report.rows and previous != report.last_hash:
            report.error = f"row {seq}: it does not follow the previous row"
        elif previous is None:
            report.error = f"row {seq}: the previous hash is missing"
        elif row_hash(row, bytes.fromhex(previous)) != row["hash"]:
            report.error = f"row {seq}: it was changed"
        if report.error:
            return report
        report.missing += seq - report.last_seq - 1 if report.rows else 0
        report.rows, report.last_seq, report.last_hash = report.rows + 1, seq, row["hash"]
    return report


def read_rows(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Read an exported file.

    The first character distinguishes CSV and JSON lines.

    Raises:
        ValueError: The file has neither format, or a line is invalid.
    """
    first = next(lines, "")
    if first.startswith("{"):
        for line in chain([first], lines):
            if line.strip():
                yield canonical_loads(line)
        return
    # A cell may contain a whole request body, more than the csv module allows by default.
    csv.field_size_limit(_MAX_CELL_CHARS)
    for cells in csv.DictReader(chain([first], lines)):
        yield {name: _cell(name, text) for name, text in cells.items()}


def _cell(name: str, text: str) -> Any:
    if text == "":
        return "" if name == "previous_hash" else None
    text = text.removeprefix("'")
    if name in JSON_COLUMNS:
        return canonical_loads(text)
    if name == "seq":
        return _NumberText(text)
    return text == "true" if name == "success" else text
