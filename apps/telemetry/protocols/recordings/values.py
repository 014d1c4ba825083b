"""Parse the values of a recording."""

from __future__ import annotations

import math

_FLAGS = {"true": 1.0, "false": 0.0}


# Doubles represent all smaller integers.
_LEAST_INEXACT = 2**53


def parse_value(text: str, decimal: str = ".") -> float:
    """Parse a number, or true or false as 1 or 0.

    Args:
        text: A cell that is not empty.
        decimal: Decimal separator.

    Raises:
        ValueError: The text is not a finite number; the message says so.
    """
    plain = text.strip()
    if (flag := _FLAGS.get(plain.lower())) is not None:
        return flag
    try:
        value = float(plain.replace(decimal, "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in plain or (decimal != "." and "." in plain):
        msg = f"{plain[:40]!r} is not a number."
        raise ValueError(msg)
    return value


def is_inexact(text: str, value: float) -> bool:
    """Return whether a cell is an integer that parsing has rounded."""
    if abs(value) < _LEAST_INEXACT:
        return False
    digits = text.strip().lstrip("+-").lstrip("0")
    return digits.isdecimal() and int(digits) != int(abs(value))
