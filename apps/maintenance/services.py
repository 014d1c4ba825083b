"""Changes to maintenance tasks."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import act

# Where a task may go from each status.
_STARTABLE = (
    MaintenanceStatus.SCHEDULED,
    MaintenanceStatus.PENDING,
    MaintenanceStatus.OVERDUE,
    MaintenanceStatus.ON_HOLD,
)
_MOST = 1_000_000  # of one part, and of what one costs
_CLOSED = (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED)


def task_create(*, organization_id: UUID, created_by: User, **fields: Any) -> MaintenanceTask:
    """Plan a piece of work. Without a due time it is due when it is scheduled.

    Raises:
        ValidationError: A field does not fit, or a reference is another organization's.
    """
    task = MaintenanceTask(organization_id=organization_id, created_by=created_by, **fields)
    task.due_at = task.due_at or task.scheduled_at
    with act("maintenance.maintenance_task.create"):
        _check(task)
        task.save(force_insert=True)
    return task


def task_update(task: MaintenanceTask, **changes: Any) -> MaintenanceTask:
    """Change what is planned or noted. A date in the future takes an overdue task back.

    Locks the row, so that a change and the overdue job do not undo each other.

    Raises:
        TaskStateError: The task is closed.
        ValidationError: A field does not fit, or a reference is another organization's.
    """
    with act("maintenance.maintenance_task.update"):
        task = _lock(task)
        if task.status in _CLOSED:
            msg = f"The task is {task.get_status_display().lower()} and stays as it is."
            raise TaskStateError(msg)
        moved = "scheduled_at" in changes and "due_at" not in changes
        for name, value in changes.items():
            setattr(task, name, value)
        if moved or task.due_at is None:
            task.due_at = task.scheduled_at
        if task.status == MaintenanceStatus.OVERDUE and not _is_late(task):
            task.status = MaintenanceStatus.SCHEDULED
        _check(task)
        task.save()
    return task


def task_start(task: MaintenanceTask) -> MaintenanceTask:
    """Begin, or go on after a pause.

    Raises:
        TaskStateError: It is under way, waits for approval or is closed.
    """
    with act("maintenance.maintenance_task.start"):
        task = _lock(task)
        _require(task, _STARTABLE, "started")
        task.status = MaintenanceStatus.IN_PROGRESS
        task.started_at = task.started_at or timezone.now()
        task.save(update_fields=["status", "started_at"])
    return task


def task_complete(task: MaintenanceTask, notes: str | None = None) -> MaintenanceTask:
    """Finish. Without a typed-in duration it is the time since the start, in whole minutes.

    Raises:
        TaskStateError: It is not under way.
    """
    with act("maintenance.maintenance_task.complete"):
        task = _lock(task)
        _require(task, (MaintenanceStatus.IN_PROGRESS,), "completed")
        task.status = MaintenanceStatus.COMPLETED
        task.completed_at = timezone.now()
        if task.actual_duration is None and task.started_at is not None:
            task.actual_duration = math.ceil(
                (task.completed_at - task.started_at).total_seconds() / 60
            )
        if notes:
            task.notes = f"{task.notes}\n{notes}" if task.notes else notes
        task.save(update_fields=["status", "completed_at", "actual_duration", "notes"])
    return task


def task_cancel(task: MaintenanceTask, reason: str) -> MaintenanceTask:
    """Give a task up; the reason goes into its notes.

    Raises:
        TaskStateError: It is closed already.
    """
    with act("maintenance.maintenance_task.cancel"):
        task = _lock(task)
        _require(task, [s for s in MaintenanceStatus if s not in _CLOSED], "cancelled")
        task.status = MaintenanceStatus.CANCELLED
        task.notes = f"{task.notes}\nCancelled: {reason}" if task.notes else f"Cancelled: {reason}"
        task.save(update_fields=["status", "notes"])
    return task


def tasks_mark_overdue() -> int:
    """Mark the open organization's tasks that nobody started in time; return how many."""
    with act("maintenance.maintenance_task.overdue"):
        return int(
            MaintenanceTask.objects.filter(
                status__in=(MaintenanceStatus.SCHEDULED, MaintenanceStatus.PENDING),
                due_at__lt=timezone.now(),
            ).update(status=MaintenanceStatus.OVERDUE)
        )


def _lock(task: MaintenanceTask) -> MaintenanceTask:
    locked: MaintenanceTask = MaintenanceTask.objects.select_for_update().get(pk=task.pk)
    return locked


def _require(task: MaintenanceTask, allowed: Any, verb: str) -> None:
    if task.status not in allowed:
        msg = f"A task that is {task.get_status_display().lower()} cannot be {verb}."
        raise TaskStateError(msg)


def _is_late(task: MaintenanceTask) -> bool:
    return task.due_at is not None and task.due_at < timezone.now()


def _check(task: MaintenanceTask) -> None:
    if task.robot is not None and task.robot.organization_id != task.organization_id:
        raise ValidationError({"robot": "There is no such robot."})
    if task.assigned_to is not None and task.assigned_to.organization_id != task.organization_id:
        raise ValidationError({"assigned_to": "There is no such person."})
    check_json(parts_used=task.parts_used)
    task.full_clean()
    if task.cost is not None and task.cost < 0:
        raise ValidationError({"cost": "A cost is not negative."})
    if task.parts_used is not None and not _are_parts(task.parts_used):
        raise ValidationError(
            {
                "parts_used": "Write a list of {part, name, quantity, unit_cost}: name is needed, "
                "quantity is above 0, unit_cost is not negative."
            }
        )


def _are_parts(parts: Any) -> bool:
    return isinstance(parts, list) and all(
        isinstance(item, dict) and _is_part(item) for item in parts
    )


def _is_part(item: dict[str, Any]) -> bool:
    quantity, unit_cost = item.get("quantity", 1), item.get("unit_cost", 0)
    return (
        set(item) <= {"part", "name", "quantity", "unit_cost"}
        and _is_text(item.get("name"))
        and _is_text(item.get("part", "-"))
        and type(quantity) in {int, float}
        and 0 < quantity <= _MOST
        and type(unit_cost) in {int, float}
        and 0 <= unit_cost <= _MOST
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255
