"""Arrays as PostgreSQL reads them in text: psycopg takes its time over long lists."""

from __future__ import annotations

from collections.abc import Iterable


def array_text(items: Iterable[object]) -> str:
    """Return an array of what needs no quotes, such as ids and numbers, or has them."""
    return f"{{{','.join(map(str, items))}}}"


def quoted(text: str | None) -> str:
    """Return any text as an item of an array; None is NULL, and the word null is not."""
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
