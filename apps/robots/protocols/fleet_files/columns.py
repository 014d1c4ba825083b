"""Columns of files of robots, and the values of their cells."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_ROWS = 10_000
MAX_COLUMNS = 100
MAX_CELL_CHARS = 1_000
# A spreadsheet keeps 15 digits of a number.
_MAX_SAFE_NUMBER = 10**15
_WHOLE = re.compile(r"[+-]?\d{1,9}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?\d+,\d+")
_LIST_SEPARATORS = re.compile(r"[|,;]")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class CellError(Exception):
    """A cell cannot be read; the text says why, for the user."""


class DateCell(str):
    """The text of a cell that is a date, in a spreadsheet."""

    __slots__ = ()


class Kind(StrEnum):
    """Type of a column's values."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    FLAG = "yes or no"
    LIST = "list"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Name in the header.
        kind: Type of its values.
        path: Field of the robot, and the keys inside of a JSON column.
        is_read_only: Whether imports ignore the column.
    """

    name: str
    kind: Kind
    path: tuple[str, ...]
    is_read_only: bool = False


def _column(name: str, path: str = "", kind: Kind = Kind.TEXT, **more: Any) -> Column:
    return Column(name, kind, tuple((path or name).split(".")), **more)


COLUMNS = (
    _column("id"),
    _column("serial_number"),
    _column("name"),
    _column("vendor"),
    _column("model"),
    _column("firmware_version"),
    _column("lifecycle"),
    _column("facility", "location.facility"),
    _column("area", "location.area"),
    _column("cell", "location.cell"),
    _column("x_m", "location.coordinates.x_m", Kind.NUMBER),
    _column("y_m", "location.coordinates.y_m", Kind.NUMBER),
    _column("theta_rad", "location.coordinates.theta_rad", Kind.NUMBER),
    _column("map_id", "location.coordinates.map_id"),
    _column("latitude", "location.coordinates.latitude", Kind.NUMBER),
    _column("longitude", "location.coordinates.longitude", Kind.NUMBER),
    _column("axes", "configuration.axes", Kind.WHOLE),
    _column("payload_kg", "configuration.payload", Kind.NUMBER),
    _column("reach_mm", "configuration.reach", Kind.NUMBER),
    _column("capabilities", "configuration.capabilities", Kind.LIST),
    _column("offline_after_seconds", kind=Kind.WHOLE),
    _column("protocol", "connection_config.protocol"),
    _column("host", "connection_config.host"),
    _column("port", "connection_config.port", Kind.WHOLE),
    _column("path", "connection_config.path"),
    _column("username", "connection_config.username"),
    _column("use_tls", "connection_config.use_tls", Kind.FLAG),
    _column("status", is_read_only=True),
    _column("last_seen", is_read_only=True),
)
COLUMNS_BY_NAME = {column.name: column for column in COLUMNS}


def column_of_error(path: str) -> str:
    """Return the column of an error's path; empty if none.

    Args:
        path: Path such as `location.facility`.
    """
    parts = tuple(path.split("."))
    for column in COLUMNS:
        length = min(len(parts), len(column.path))
        if parts[:length] == column.path[:length]:
            return column.name
    return ""


def read_cell(column: Column, cell: Any, *, has_decimal_comma: bool = False) -> Any:
    """Return the value of a cell; None for an empty one.

    Args:
        column: Column of the cell.
        cell: Text, or the value of a cell of a spreadsheet or of JSON.
        has_decimal_comma: Whether `1,5` is a number, as in files with semicolons.

    Raises:
        CellError: The cell has another type, or is too long.
    """
    if "\x00" in str(cell):
        raise CellError("The cell contains a NUL character.")  # noqa: EM101
    if isinstance(cell, DateCell):
        raise CellError("The cell is a date. Format it as text.")  # noqa: EM101
    if isinstance(cell, str):
        cell = cell.strip()
        if len(cell) > MAX_CELL_CHARS:
            raise CellError(f"The text is longer than {MAX_CELL_CHARS:,} characters.")  # noqa: EM102
    if cell is None or cell in ("", []):
        return None
    if _is_number(cell) and abs(cell) >= _MAX_SAFE_NUMBER:
        raise CellError("The number is too large for a spreadsheet. Write it as text.")  # noqa: EM101
    if column.kind == Kind.NUMBER:
        return _read_number(cell, has_decimal_comma=has_decimal_comma)
    return _READERS[column.kind](cell)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _read_text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if _is_number(cell) and cell == cell // 1:
        return str(int(cell))
    if _is_number(cell):
        raise CellError("The cell is a number. Format it as text, so that no digit is lost.")  # noqa: EM101
    raise CellError("Enter a text.")  # noqa: EM101


def _read_whole(cell: Any) -> int:
    if isinstance(cell, str) and _WHOLE.fullmatch(cell):
        return int(cell)
    if _is_number(cell) and cell == cell // 1:
        return int(cell)
    raise CellError(f"“{_short(cell)}” is not a whole number.")  # noqa: EM102


def _read_number(cell: Any, *, has_decimal_comma: bool) -> float:
    if _is_number(cell) and math.isfinite(cell):
        return cell  # type: ignore[no-any-return]
    if isinstance(cell, str):
        if has_decimal_comma and _NUMBER_WITH_COMMA.fullmatch(cell):
            cell = cell.replace(",", ".")
        if _NUMBER.fullmatch(cell) and math.isfinite(number := float(cell)):
            return number
    raise CellError(
        f"“{_short(cell)}” is not a number. Write it with a decimal point and without thousands"  # noqa: EM102
        " separators, as in 1250.5."
    )


def _read_flag(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    flag = _FLAGS.get(str(cell).lower())
    if flag is None:
        raise CellError(f"“{_short(cell)}” is neither true nor false.")  # noqa: EM102
    return flag


def _read_list(cell: Any) -> list[str]:
    if isinstance(cell, str):
        return [part.strip() for part in _LIST_SEPARATORS.split(cell) if part.strip()]
    if isinstance(cell, list) and all(isinstance(item, str) for item in cell):
        return cell
    raise CellError("Enter texts, separated by a vertical bar.")  # noqa: EM101


def _short(cell: Any) -> str:
    text = str(cell)
    return text if len(text) <= 40 else f"{text[:40]}…"


_READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _read_text,
    Kind.WHOLE: _read_whole,
    Kind.FLAG: _read_flag,
    Kind.LIST: _read_list,
}
