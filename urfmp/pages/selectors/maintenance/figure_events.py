"""The tasks behind a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import F

from apps.maintenance.choices import FAILURE_TYPES
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.figures import (
    ON_TIME,
    FigureScope,
    backlog,
    completed,
    due,
    failures,
    scoped_tasks,
    with_days,
)

MAX_EVENTS = 200


class FigureEvents(models.TextChoices):
    """Which tasks of a figure are shown."""

    FAILURES = "failures", "Failures"
    PLANNED = "planned", "Completed planned tasks"
    UNPLANNED = "unplanned", "Completed unplanned tasks"
    ON_TIME = "on_time", "Planned tasks completed on time"
    LATE = "late", "Planned tasks not completed on time"
    OVERDUE = "overdue", "Overdue tasks"
    COST = "cost", "Completed tasks with a cost"


@dataclass(frozen=True)
class EventList:
    """Tasks behind a figure.

    Attributes:
        kind: Which tasks these are.
        tasks: The first 200.
        total: Number of all of them.
    """

    kind: FigureEvents
    tasks: list[MaintenanceTask]
    total: int


def figure_events(principal: Any, scope: FigureScope, kind: FigureEvents) -> EventList:
    """Return the tasks behind a figure; at most two queries."""
    rows = _ROWS[kind](scoped_tasks(principal, scope), scope)
    shown = list(rows.select_related("robot").order_by(*_ORDER[kind], "pk")[:MAX_EVENTS])
    total = len(shown) if len(shown) < MAX_EVENTS else rows.count()
    return EventList(kind, shown, total)


def _planned(tasks: Any, scope: FigureScope) -> Any:
    return completed(tasks, scope).exclude(type__in=FAILURE_TYPES)


def _unplanned(tasks: Any, scope: FigureScope) -> Any:
    return completed(tasks, scope).filter(type__in=FAILURE_TYPES)


def _on_time(tasks: Any, scope: FigureScope) -> Any:
    return with_days(due(tasks, scope), scope).filter(ON_TIME)


def _late(tasks: Any, scope: FigureScope) -> Any:
    in_time = due(tasks, scope)
    return in_time.exclude(pk__in=with_days(in_time, scope).filter(ON_TIME).values("pk"))


def _with_cost(tasks: Any, scope: FigureScope) -> Any:
    return completed(tasks, scope).filter(cost__gt=0)


_ROWS = {
    FigureEvents.FAILURES: failures,
    FigureEvents.PLANNED: _planned,
    FigureEvents.UNPLANNED: _unplanned,
    FigureEvents.ON_TIME: _on_time,
    FigureEvents.LATE: _late,
    FigureEvents.OVERDUE: backlog,
    FigureEvents.COST: _with_cost,
}
_ORDER: dict[FigureEvents, tuple[Any, ...]] = {
    FigureEvents.FAILURES: ("-created_at",),
    FigureEvents.PLANNED: ("-completed_at",),
    FigureEvents.UNPLANNED: ("-completed_at",),
    FigureEvents.ON_TIME: ("-due_at",),
    FigureEvents.LATE: ("-due_at",),
    FigureEvents.OVERDUE: ("due_at",),
    FigureEvents.COST: (F("cost").desc(nulls_last=True),),
}
