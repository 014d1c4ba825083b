"""The time that users work on a task, and its duration."""

from __future__ import annotations

import math
from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import (
    MAX_DURATION_MINUTES,
    MAX_REASON_CHARS,
    MaintenanceAction,
    TaskEventKind,
)
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import LabourEntry, MaintenanceTask
from apps.maintenance.selectors.labour import covered_time
from apps.maintenance.services.task_locking import require_allowed, task_lock
from apps.maintenance.services.tasks.events import checked_text, task_event_record
from urfmp.common.tenancy.context import audit_action


def task_join(task: MaintenanceTask, user: User) -> MaintenanceTask:
    """Join the work on a task that another user has started.

    Args:
        task: Task in progress. Its row is locked.
        user: User who works on it from now on.

    Raises:
        TaskStateError: The task is not in progress, or the user already works on it.
    """
    with audit_action("maintenance.maintenance_task.join"):
        task = task_lock(task)
        require_allowed(task, MaintenanceAction.JOIN, "joined")
        if LabourEntry.objects.running().filter(task=task, user=user).exists():
            msg = "You already work on this task."
            raise TaskStateError(msg)
        labour_begin(task, user, timezone.now())
        task_event_record(task, TaskEventKind.JOINED, user)
    return task


def task_leave(task: MaintenanceTask, user: User) -> MaintenanceTask:
    """Leave the work on a task, which stays in progress.

    Args:
        task: Task in progress. Its row is locked.
        user: User who stops working on it.

    Raises:
        TaskStateError: The task is not in progress, or the user does not work on it.
    """
    with audit_action("maintenance.maintenance_task.leave"):
        task = task_lock(task)
        require_allowed(task, MaintenanceAction.LEAVE, "left")
        entry = LabourEntry.objects.running().filter(task=task, user=user).first()
        if entry is None:
            msg = "You do not work on this task. Join the work first."
            raise TaskStateError(msg)
        _end(entry, timezone.now())
        task_event_record(task, TaskEventKind.LEFT, user)
    return task


def task_correct_duration(
    task: MaintenanceTask, minutes: int, reason: str, user: User | None = None
) -> MaintenanceTask:
    """Replace the duration of a completed task; the labour entries stay.

    Args:
        task: Completed task. Its row is locked.
        minutes: Duration of the work in minutes, 0 to 525,600.
        reason: Why the measured duration is wrong.
        user: User who corrects it; None for an API key.

    Raises:
        TaskStateError: The task is not completed.
        ValidationError: The duration is out of range, nothing in the reason can be seen, or it is
            too long.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    check_duration(minutes)
    with audit_action("maintenance.maintenance_task.correct_duration"):
        task = task_lock(task)
        require_allowed(task, MaintenanceAction.CORRECT_DURATION, "corrected")
        before = "unknown" if task.actual_duration is None else f"{task.actual_duration} min"
        task.actual_duration, task.has_manual_duration = minutes, True
        task.save(update_fields=["actual_duration", "has_manual_duration"])
        text = f"From {before} to {minutes} min: {reason}"
        task_event_record(task, TaskEventKind.DURATION_CORRECTED, user, text)
    return task


def check_duration(minutes: int) -> None:
    """Reject a duration that is negative or longer than a year.

    Raises:
        ValidationError: It is out of range.
    """
    if not 0 <= minutes <= MAX_DURATION_MINUTES:
        msg = f"Enter a whole number of minutes from 0 to {MAX_DURATION_MINUTES}."
        raise ValidationError({"actual_duration": msg})


def labour_begin(task: MaintenanceTask, user: User | None, now: datetime) -> None:
    """Begin a user's work on a task whose row is locked."""
    LabourEntry.objects.create(
        organization_id=task.organization_id, task=task, user=user, started_at=now
    )


def labour_end_all(task: MaintenanceTask, now: datetime) -> None:
    """End the work of all users on a locked task."""
    for entry in LabourEntry.objects.running().filter(task=task):
        _end(entry, now)


def measured_duration(task: MaintenanceTask) -> int | None:
    """Return the time of work in minutes, rounded up.

    Pauses do not count, and the time of several users together counts once. A task that was
    started without labour entries, in raw SQL, counts from its start to its end.
    """
    ended = LabourEntry.objects.filter(task=task, ended_at__isnull=False)
    spans = list(ended.values_list("started_at", "ended_at"))
    if not spans:
        if task.started_at is None or task.finished_at is None:
            return None
        spans = [(task.started_at, task.finished_at)]
    return math.ceil(covered_time(spans).total_seconds() / 60)


def _end(entry: LabourEntry, now: datetime) -> None:
    # The clocks of two web processes may differ by milliseconds.
    entry.ended_at = max(now, entry.started_at)
    entry.save(update_fields=["ended_at"])
