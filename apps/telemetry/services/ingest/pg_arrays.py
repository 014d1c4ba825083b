"""Write PostgreSQL array literals; psycopg is slow with long lists."""

from __future__ import annotations

from collections.abc import Iterable


def array_literal(items: Iterable[object]) -> str:
    """Return an array literal of items that need no more quoting."""
    return f"{{{','.join(map(str, items))}}}"


def quote_element(text: str | None) -> str:
    """Return a quoted array element, or NULL for None."""
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
