"""Alerts, tasks and commands in the panels of the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from apps.alerts.models import Alert
from apps.alerts.selectors.alerts import severity_rank
from apps.maintenance.models import MaintenanceTask
from apps.robots.models import Robot

MAX_PANEL_ROWS = 8


def open_alerts(principal: Any, robot: Robot | None = None) -> tuple[list[Alert], int]:
    """Return unresolved alerts, most severe and newest first, and their count."""
    rows = Alert.objects.restrict(principal).unresolved()
    if robot is not None:
        rows = rows.filter(robot=robot)
    shown = list(
        rows.select_related("robot").order_by(severity_rank().desc(), "-last_seen_at")[
            :MAX_PANEL_ROWS
        ]
    )
    return shown, len(shown) if len(shown) < MAX_PANEL_ROWS else rows.count()


@dataclass(frozen=True)
class DueTasks:
    """Tasks that are overdue or due within a week, the earliest first."""

    tasks: list[MaintenanceTask]
    overdue: int
    due_soon: int


def due_tasks(principal: Any) -> DueTasks:
    """Return overdue tasks and tasks due within a week. Runs two queries."""
    now = timezone.now()
    rows = (
        MaintenanceTask.objects.restrict(principal)
        .open()
        .filter(due_at__lt=now + timedelta(days=7))
    )
    counts = rows.order_by().aggregate(
        overdue=Count("pk", filter=Q(due_at__lt=now)),
        due_soon=Count("pk", filter=Q(due_at__gte=now)),
    )
    shown = rows.select_related("robot", "assigned_to").order_by("due_at")[:MAX_PANEL_ROWS]
    return DueTasks(list(shown), counts["overdue"], counts["due_soon"])
