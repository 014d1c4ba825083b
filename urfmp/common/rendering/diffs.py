"""Differences between audited values, path by path through nested JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["added", "removed", "changed"]
_SEPARATOR = " \u203a "
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One value that was added, removed or changed; `path` is for display."""

    path: str
    kind: Kind
    before: Any
    after: Any


def differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Difference]:
    """Return the differences, ordered by path.

    Empty values of a created or deleted row are left out.
    """
    old, new = before or {}, after or {}
    found = list(_walk((), old, new))
    if before is None or after is None:
        found = [item for item in found if item.before not in (None, "") or item.after]
    return found


def _walk(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _walk((*path, str(key)), old.get(key, _MISSING), new.get(key, _MISSING))
    elif _has_parts(old) and _has_parts(new):
        for number in range(max(len(old), len(new))):
            yield from _walk((*path, f"#{number + 1}"), _item(old, number), _item(new, number))
    elif isinstance(old, dict) and new is _MISSING:
        yield from _walk(path, old, {}) if old else _leaf(path, old, new)
    elif isinstance(new, dict) and old is _MISSING:
        yield from _walk(path, {}, new) if new else _leaf(path, old, new)
    else:
        yield from _leaf(path, old, new)


def _leaf(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Difference]:
    if type(old) is type(new) and old == new:
        return
    kind: Kind = "added" if _is_absent(old) else "removed" if _is_absent(new) else "changed"
    name = _SEPARATOR.join((path[0].replace("_", " "), *path[1:])) if path else ""
    yield Difference(name, kind, None if old is _MISSING else old, None if new is _MISSING else new)


def _is_absent(value: Any) -> bool:
    return value is _MISSING or value is None


def _has_parts(value: Any) -> bool:
    """Return whether a list is compared item by item.

    Lists of plain values are compared as a whole.
    """
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _item(values: list[Any], number: int) -> Any:
    return values[number] if number < len(values) else _MISSING
