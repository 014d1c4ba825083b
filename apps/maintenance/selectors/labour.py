"""Times of work on tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.models import LabourEntry, MaintenanceTask

MAX_LABOUR_ENTRIES = 500


@dataclass(frozen=True)
class LabourTotal:
    """The work of one user on a task.

    Attributes:
        user: User; None for API keys.
        time: Sum of the user's entries, up to now.
        is_running: Whether the user works now.
    """

    user: User | None
    time: timedelta
    is_running: bool


def task_labour(task: MaintenanceTask) -> list[LabourEntry]:
    """Return a task's latest 500 labour entries with their users."""
    entries = LabourEntry.objects.filter(task=task).select_related("user")
    return list(entries.order_by("-started_at", "-pk")[:MAX_LABOUR_ENTRIES])


def works_on(task: MaintenanceTask, user_id: Any) -> bool:
    """Return whether a user works on a task now."""
    return bool(LabourEntry.objects.running().filter(task=task, user_id=user_id).exists())


def labour_totals(task: MaintenanceTask) -> list[LabourTotal]:
    """Return the work of each user on a task, longest first."""
    now = timezone.now()
    totals: dict[object, LabourTotal] = {}
    for entry in task_labour(task):
        before = totals.get(entry.user_id)
        span = max(timedelta(), (entry.ended_at or now) - entry.started_at)
        totals[entry.user_id] = LabourTotal(
            entry.user if entry.user_id else None,
            span + (before.time if before else timedelta()),
            entry.ended_at is None or (before is not None and before.is_running),
        )
    return sorted(totals.values(), key=lambda total: total.time, reverse=True)


def covered_time(spans: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """Return the time that spans cover together; overlaps count once."""
    total, end = timedelta(), None
    for start, stop in sorted(spans):
        begin = start if end is None else max(start, end)
        if stop > begin:
            total += stop - begin
            end = stop
        elif end is None:
            end = start
    return total
