"""Bring tasks into any status without services, on a way that the database allows."""

from __future__ import annotations

from typing import Any

_WAYS: dict[str, tuple[str, ...]] = {
    "scheduled": (),
    "pending": ("in_progress", "requires_approval", "pending"),
    "overdue": ("overdue",),
    "in_progress": ("in_progress",),
    "on_hold": ("in_progress", "on_hold"),
    "requires_approval": ("in_progress", "requires_approval"),
    "completed": ("in_progress", "completed"),
    "cancelled": ("cancelled",),
}


def set_task_status(tasks: Any, status: str) -> None:
    """Set the status of scheduled tasks, whose query set does not filter by it."""
    for step in _WAYS[status]:
        tasks.update(status=step)
