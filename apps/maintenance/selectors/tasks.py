"""Counts of tasks by tab."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from apps.maintenance.choices import MaintenanceStatus, TaskTab
from apps.maintenance.models import MaintenanceTask

# Closed tasks grow for years: more are not counted.
MAX_CLOSED_COUNT = 10_000


def task_tab_counts(principal: Any) -> dict[TaskTab, int]:
    """Return the number of tasks in each tab; two queries."""
    tasks = MaintenanceTask.objects.restrict(principal).order_by()
    counts = tasks.open().aggregate(
        all=Count("pk"),
        mine=Count("pk", filter=Q(assigned_to=principal.pk)),
        overdue=Count("pk", filter=Q(due_at__lt=timezone.now())),
        approval=Count("pk", filter=Q(status=MaintenanceStatus.REQUIRES_APPROVAL)),
    )
    return {
        TaskTab.OPEN: counts["all"],
        TaskTab.MINE: counts["mine"],
        TaskTab.OVERDUE: counts["overdue"],
        TaskTab.APPROVAL: counts["approval"],
        TaskTab.DONE: tasks.closed()[: MAX_CLOSED_COUNT + 1].count(),
    }
