"""The canonical form of a row of the record, from which its hash is made.

The database builds it as a JSON array and hashes it behind the hash of the row before; here the
same is done with nothing but an exported file, so that a file can be checked far from the database.
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

# The values that are hashed, in their order.
HASHED = (
    "seq", "id", "organization_id", "user_id", "api_key_id", "action", "resource_type",
    "resource_id", "before", "after", "ip_address", "user_agent", "request_id", "request_data",
    "response_data", "success", "error_message", "created_at",
)  # fmt: skip
JSON_COLUMNS = frozenset({"before", "after", "request_data", "response_data"})
# Characters at which a spreadsheet takes a cell for a formula, and the one that keeps it from it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "'")
_CELL_AT_MOST = 2**30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Number(str):
    """A number as it is written: 1.0 and 1 are not the same text."""

    __slots__ = ()


def decode(text: str) -> Any:
    """Return JSON with its numbers as they are written."""
    return json.loads(text, parse_float=_Number, parse_int=_Number)


def encode(value: Any) -> str:
    """Return JSON as PostgreSQL writes a jsonb value."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{encode(key)}: {encode(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(encode, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def digest(row: dict[str, Any], previous: bytes) -> str:
    """Return the hash of a row, in hexadecimal, behind that of the row before."""
    values = [row[name] for name in HASHED]
    moment = datetime.fromisoformat(values[-1])
    values[-1] = _Number((moment - _EPOCH) // timedelta(microseconds=1))
    return hashlib.sha256(previous + encode(values).encode()).hexdigest()


@dataclass
class FileReport:
    """What a file of exported rows holds.

    Attributes:
        rows: How many rows fit.
        missing: How many numbers between the first and the last row are not in the file.
        last_seq: Number of the last row.
        last_hash: Its hash: compare it with a signed checkpoint.
        fault: The first row that does not fit, and why.
    """

    rows: int = 0
    missing: int = 0
    last_seq: int = 0
    last_hash: str = ""
    fault: str | None = None


def verify_rows(rows: Iterable[dict[str, Any]]) -> FileReport:
    """Check each row against its hash, and neighbours against each other; stop at a fault."""
    report = FileReport()
    for row in rows:
        seq = int(row["seq"])
        previous = row["previous_hash"]
        if report.last_seq and seq <= report.last_seq:
            report.fault = f"row {seq}: it stands behind row {report.last_seq}"
        elif seq == report.last_seq + 1 and report.rows and previous != report.last_hash:
            report.fault = f"row {seq}: it does not follow the row before it"
        elif previous is None:
            report.fault = f"row {seq}: the hash before it is missing"
        elif digest(row, bytes.fromhex(previous)) != row["hash"]:
            report.fault = f"row {seq}: it was changed"
        if report.fault:
            return report
        report.missing += seq - report.last_seq - 1 if report.rows else 0
        report.rows, report.last_seq, report.last_hash = report.rows + 1, seq, row["hash"]
    return report


def read_rows(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Read an exported file, CSV or JSON lines; which one it is tells its first character.

    Raises:
        ValueError: It is neither, or a line of it cannot be read.
    """
    first = next(lines, "")
    if first.startswith("{"):
        for line in chain([first], lines):
            if line.strip():
                yield decode(line)
        return
    # A cell may be as large as the row that was recorded: a request's body and more.
    csv.field_size_limit(_CELL_AT_MOST)
    for cells in csv.DictReader(chain([first], lines)):
        yield {name: _cell(name, text) for name, text in cells.items()}


def _cell(name: str, text: str) -> Any:
    if text == "":
        return "" if name == "previous_hash" else None
    text = text.removeprefix("'")
    if name in JSON_COLUMNS:
        return decode(text)
    if name == "seq":
        return _Number(text)
    return text == "true" if name == "success" else text
