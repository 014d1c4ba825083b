"""JSON values that PostgreSQL can store.

PostgreSQL accepts less than Python does.
"""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError

# Deeper than any meaningful value, and far below the stack limits of Python and PostgreSQL.
MAX_DEPTH = 50
NESTED_TOO_DEEP = f"Values are nested too deep; at most {MAX_DEPTH} levels are allowed."
_MAX_WHOLE_NUMBER = 10**300


def json_storage_error(value: Any, depth: int = 0) -> str | None:
    """Return why a value cannot be stored as JSON, or None."""
    if depth > MAX_DEPTH:
        return NESTED_TOO_DEEP
    if isinstance(value, str):
        return _text_storage_error(value)
    if isinstance(value, int | float):
        fits = math.isfinite(value) if isinstance(value, float) else abs(value) < _MAX_WHOLE_NUMBER
        return None if fits else "Numbers must be finite."
    if value is None:
        return None
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        return f"{type(value).__name__} is not a JSON value."
    errors = (json_storage_error(part, depth + 1) for part in parts)
    return next((error for error in errors if error), None)


def exceeds_max_depth(text: bytes, value: Any) -> bool:
    """Return whether a decoded value is nested deeper than `MAX_DEPTH`.

    Args:
        text: The value as JSON; a text with few brackets needs no closer look.
        value: The decoded value.
    """
    brackets = text.count(b"[") + text.count(b"{")
    return brackets > MAX_DEPTH and _depth_left(value, MAX_DEPTH) < 0


def _depth_left(value: Any, left: int) -> int:
    if left < 0 or not isinstance(value, dict | list):
        return left
    parts = value.values() if isinstance(value, dict) else value
    return min((_depth_left(part, left - 1) for part in parts), default=left - 1)


def _text_storage_error(text: str) -> str | None:
    if "\x00" in text:
        return "Null characters are not allowed."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Lone surrogate characters are not allowed."
    return None


def check_json(**values: Any) -> None:
    """Check the values of JSON columns.

    Args:
        values: Values by field name; None is valid.

    Raises:
        ValidationError: A value cannot be stored, under its field's name.
    """
    errors = {name: json_storage_error(value) for name, value in values.items()}
    if wrong := {name: error for name, error in errors.items() if error}:
        raise ValidationError(wrong)
