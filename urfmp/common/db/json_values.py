"""What PostgreSQL takes as JSON. Python takes more, and a column would answer with a fault."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError

# Deeper than any value that means something, and far from where either side runs out of stack.
MAX_DEPTH = 50
_MAX_WHOLE_NUMBER = 10**300


def json_storage_error(value: Any, depth: int = 0) -> str | None:
    """Return what keeps a value from being stored as JSON, or None."""
    if depth > MAX_DEPTH:
        return f"Values are nested in each other at most {MAX_DEPTH} times."
    if isinstance(value, str):
        return _text_storage_error(value)
    if isinstance(value, int | float):
        fits = math.isfinite(value) if isinstance(value, float) else abs(value) < _MAX_WHOLE_NUMBER
        return None if fits else "A number is finite."
    if value is None:
        return None
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        return f"{type(value).__name__} is no JSON."
    faults = (json_storage_error(part, depth + 1) for part in parts)
    return next((fault for fault in faults if fault), None)


def exceeds_max_depth(text: bytes, value: Any) -> bool:
    """Tell whether a decoded value is nested deeper than may be.

    Args:
        text: The value as JSON; one with few brackets is not looked at any closer.
        value: The same, decoded.
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
        return "A text holds a NUL character, which cannot be stored."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "A text holds half of a character, which cannot be stored."
    return None


def check_json(**values: Any) -> None:
    """Check the values of JSON columns.

    Args:
        values: By the names of their fields; None is fine.

    Raises:
        ValidationError: A value cannot be stored, under its field's name.
    """
    faults = {name: json_storage_error(value) for name, value in values.items()}
    if wrong := {name: fault for name, fault in faults.items() if fault}:
        raise ValidationError(wrong)
