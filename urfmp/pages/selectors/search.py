"""Rows that the search of the command palette finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.organizations.models import Facility
from apps.robots.choices import CommandType
from apps.robots.models import Robot, RobotCommand

MAX_HITS_PER_KIND = 8
# A command has no text of its own, and the robot's name matches all of its commands.
_MAX_COMMANDS_SEARCHED = 5_000


def search_rows(principal: Any, text: str) -> Iterator[tuple[str, Any]]:
    """Yield kind and row of each match. Runs six queries.

    A row matches if it contains every word. Closed tasks and resolved alerts are searched in their
    lists: years of titles would take too long here.

    Args:
        principal: The user; other rows than theirs are not found.
        text: Words in their normal form.
    """
    words = text.split()
    found: tuple[tuple[str, QuerySet[Any]], ...] = (
        ("robot", _robots(principal, words)),
        ("alert", _alerts(principal, words)),
        ("task", _tasks(principal, words)),
        ("facility", _facilities(principal, words)),
        ("user", _users(principal, words)),
        ("command", _commands(principal, words)),
    )
    for kind, rows in found:
        for row in rows[:MAX_HITS_PER_KIND]:
            yield kind, row


def _containing(rows: QuerySet[Any], words: Iterable[str], *fields: str) -> QuerySet[Any]:
    for word in words:
        condition = Q()
        for field in fields:
            condition |= Q(**{f"{field}__icontains": word})
        rows = rows.filter(condition)
    return rows


def _robots(principal: Any, words: list[str]) -> QuerySet[Any]:
    rows = Robot.objects.restrict(principal)
    return _containing(rows, words, "name", "serial_number", "model")


def _alerts(principal: Any, words: list[str]) -> QuerySet[Any]:
    rows = Alert.objects.restrict(principal).unresolved().select_related("robot")
    found = _containing(rows, words, "title", "robot__name", "robot__serial_number")
    return found.order_by("-last_seen_at")


def _tasks(principal: Any, words: list[str]) -> QuerySet[Any]:
    rows = MaintenanceTask.objects.restrict(principal).open().select_related("robot")
    return _containing(rows, words, "title", "robot__name", "robot__serial_number")


def _facilities(principal: Any, words: list[str]) -> QuerySet[Any]:
    return _containing(Facility.objects.restrict(principal), words, "name")


def _users(principal: Any, words: list[str]) -> QuerySet[Any]:
    rows = User.objects.restrict(principal).filter(is_system=False)
    return _containing(rows, words, "first_name", "last_name", "email")


def _commands(principal: Any, words: list[str]) -> QuerySet[Any]:
    types: list[set[CommandType]] = []
    names: list[str] = []
    for word in words:
        matching = {kind for kind in CommandType if word.casefold() in kind.label.casefold()}
        if matching:
            types.append(matching)
        else:
            names.append(word)
    rows = RobotCommand.objects.restrict(principal).select_related("robot")
    if not types:
        return rows.none()
    recent = rows.order_by("-created_at").values("pk")[:_MAX_COMMANDS_SEARCHED]
    for matching in types:
        rows = rows.filter(type__in=matching)
    found = _containing(rows, names, "robot__name", "robot__serial_number")
    return found.filter(pk__in=recent).order_by("-created_at")
