"""Timelines of tasks."""

from __future__ import annotations

from apps.maintenance.models import MaintenanceTask, TaskEvent

MAX_TIMELINE_EVENTS = 200


def task_timeline(task: MaintenanceTask) -> list[TaskEvent]:
    """Return a task's events with their users, newest first, at most 200."""
    events = TaskEvent.objects.filter(task=task).select_related("user")
    return list(events.order_by("-created_at", "-pk")[:MAX_TIMELINE_EVENTS])
