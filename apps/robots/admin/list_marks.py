"""Marks of other apps in the list of robots, such as alerts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

ListMarks = Callable[[Any, Collection[UUID]], dict[UUID, SafeString]]
"""A function of a user and robots, which returns the HTML of those that have a mark."""

_readers: list[ListMarks] = []


def add_list_marks(reader: ListMarks) -> None:
    """Show marks in the list of robots.

    Args:
        reader: Called once for each page of the list. It returns only what the user may see.
    """
    if reader not in _readers:
        _readers.append(reader)


def list_marks(user: Any, robots: Collection[UUID]) -> dict[UUID, list[SafeString]]:
    """Return the marks of robots that have some."""
    marks: dict[UUID, list[SafeString]] = {}
    for reader in _readers:
        for robot_id, mark in reader(user, robots).items():
            marks.setdefault(robot_id, []).append(mark)
    return marks
