"""Changes to maintenance tasks."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import (
    TRANSITIONS,
    MaintenanceAction,
    MaintenanceStatus,
    allows,
)
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.schedule_states import schedule_state_rearm
from apps.robots.models import Robot
from apps.robots.services.robots import require_in_service
from urfmp.common.db.json_values import check_json
from urfmp.common.db.names import (
    identifier_error,
    name_error,
    normalize_identifier,
    normalize_name,
    validate_visible,
)
from urfmp.common.tenancy.context import audit_action

# Upper limit of a part's quantity and of its unit cost.
_MAX_PART_NUMBER = 1_000_000
_MAX_PART_TEXT_CHARS = 255


def task_create(*, organization_id: UUID, created_by: User, **fields: Any) -> MaintenanceTask:
    """Create a task; without a due time, the scheduled time is used.

    Raises:
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    task = MaintenanceTask(organization_id=organization_id, created_by=created_by, **fields)
    task.due_at = task.due_at or task.scheduled_at
    with audit_action("maintenance.maintenance_task.create"):
        _check(task)
        require_in_service(task.robot)
        task.save(force_insert=True)
    return task


def task_update(task: MaintenanceTask, **changes: Any) -> MaintenanceTask:
    """Change a task's fields.

    A due time in the future makes an overdue task scheduled again. The row is locked, so that an
    update and the overdue job cannot overwrite each other's status.

    Raises:
        TaskStateError: The task is closed.
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    with audit_action("maintenance.maintenance_task.update"):
        task = _lock(task)
        _require_allowed(task, MaintenanceAction.UPDATE, "changed")
        moved = "scheduled_at" in changes and "due_at" not in changes
        robot_id = task.robot_id
        for name, value in changes.items():
            setattr(task, name, value)
        if moved or task.due_at is None:
            task.due_at = task.scheduled_at
        if task.status == MaintenanceStatus.OVERDUE and not _is_late(task):
            task.status = MaintenanceStatus.SCHEDULED
        _check(task)
        if task.robot_id != robot_id:
            if task.schedule_id is not None:
                msg = "A schedule opened this task for its robot. Create another task instead."
                raise ValidationError({"robot": msg})
            require_in_service(task.robot)
        task.save()
    return task


def task_start(task: MaintenanceTask) -> MaintenanceTask:
    """Start a task, or resume it after a pause.

    Raises:
        TaskStateError: The task is in progress, requires approval or is closed.
    """
    with audit_action("maintenance.maintenance_task.start"):
        task = _lock(task)
        _require_allowed(task, MaintenanceAction.START, "started")
        task.status = MaintenanceStatus.IN_PROGRESS
        task.started_at = task.started_at or timezone.now()
        task.save(update_fields=["status", "started_at"])
    return task


def task_complete(task: MaintenanceTask, notes: str | None = None) -> MaintenanceTask:
    """Complete a task that is in progress, and re-arm its schedule.

    Without an actual duration, the time since the start is stored, rounded up to whole minutes.

    Args:
        task: Task to complete.
        notes: Text that is appended to the task's notes.

    Raises:
        TaskStateError: The task is not in progress.
    """
    with audit_action("maintenance.maintenance_task.complete"):
        task = _lock(task)
        _require_allowed(task, MaintenanceAction.COMPLETE, "completed")
        task.status = MaintenanceStatus.COMPLETED
        task.completed_at = timezone.now()
        if task.actual_duration is None and task.started_at is not None:
            task.actual_duration = math.ceil(
                (task.completed_at - task.started_at).total_seconds() / 60
            )
        if notes:
            _append_note(task, notes)
        task.save(update_fields=["status", "completed_at", "actual_duration", "notes"])
        schedule_state_rearm(task, task.completed_at)
    return task


def task_cancel(task: MaintenanceTask, reason: str) -> MaintenanceTask:
    """Cancel a task and re-arm its schedule.

    The reason is appended to the notes.

    Raises:
        TaskStateError: The task is already closed.
        ValidationError: Nothing in the reason can be seen.
    """
    try:
        validate_visible(reason)
    except ValidationError as error:
        raise ValidationError({"reason": error}) from error
    with audit_action("maintenance.maintenance_task.cancel"):
        task = _lock(task)
        _require_allowed(task, MaintenanceAction.CANCEL, "cancelled")
        _cancel(task, reason)
    return task


def tasks_close_of_retired_robot(robot: Robot, reason: str) -> None:
    """Cancel a retired robot's planned tasks.

    Work in progress stays open, with a note: the technician completes or cancels it. The rows are
    locked in the order of their ids.

    Args:
        robot: Robot that retires; the caller has locked it.
        reason: Why the tasks are cancelled.
    """
    tasks = MaintenanceTask.objects.open().filter(robot=robot).order_by("pk")
    for task in tasks.select_for_update():
        if task.status == MaintenanceStatus.IN_PROGRESS:
            _append_note(task, reason)
            task.save(update_fields=["notes"])
        else:
            _cancel(task, reason)


def tasks_delete_of_purged_robot(robot: Robot) -> int:
    """Delete all tasks of a robot that is purged; return their number.

    Args:
        robot: Robot that is purged; the caller has locked it.
    """
    return int(MaintenanceTask.objects.filter(robot=robot).delete()[0])


def _cancel(task: MaintenanceTask, reason: str) -> None:
    task.status = MaintenanceStatus.CANCELLED
    _append_note(task, f"Cancelled: {reason}")
    task.save(update_fields=["status", "notes"])
    schedule_state_rearm(task, timezone.now())


def _append_note(task: MaintenanceTask, note: str) -> None:
    task.notes = f"{task.notes}\n{note}" if task.notes else note


def tasks_mark_overdue() -> int:
    """Mark the open organization's late tasks as overdue.

    Returns:
        Number of tasks marked.
    """
    with audit_action("maintenance.maintenance_task.overdue"):
        return int(
            MaintenanceTask.objects.filter(
                status__in=TRANSITIONS[MaintenanceAction.MARK_OVERDUE],
                due_at__lt=timezone.now(),
            ).update(status=MaintenanceStatus.OVERDUE)
        )


def _lock(task: MaintenanceTask) -> MaintenanceTask:
    locked: MaintenanceTask = MaintenanceTask.objects.select_for_update().get(pk=task.pk)
    return locked


def _require_allowed(task: MaintenanceTask, action: MaintenanceAction, participle: str) -> None:
    if not allows(action, task.status):
        msg = f"A task that is {task.get_status_display().lower()} cannot be {participle}."
        raise TaskStateError(msg)


def _is_late(task: MaintenanceTask) -> bool:
    return task.due_at is not None and task.due_at < timezone.now()


def _check(task: MaintenanceTask) -> None:
    if task.robot is not None and task.robot.organization_id != task.organization_id:
        raise ValidationError({"robot": "Robot not found."})
    if task.assigned_to is not None and task.assigned_to.organization_id != task.organization_id:
        raise ValidationError({"assigned_to": "User not found."})
    check_json(parts_used=task.parts_used)
    task.full_clean()
    if task.cost is not None and task.cost < 0:
        raise ValidationError({"cost": "The cost cannot be negative."})
    if task.parts_used is not None:
        if not _are_parts(task.parts_used):
            raise ValidationError(
                {
                    "parts_used": "Enter a list of {part, name, quantity, unit_cost}. The name is "
                    "required, quantity must be above 0 and unit_cost cannot be negative."
                }
            )
        task.parts_used = [_normalized_part(item) for item in task.parts_used]


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
        and 0 < quantity <= _MAX_PART_NUMBER
        and type(unit_cost) in {int, float}
        and 0 <= unit_cost <= _MAX_PART_NUMBER
    )


def _normalized_part(item: dict[str, Any]) -> dict[str, Any]:
    """Return a part with its name and number in their normal form.

    Raises:
        ValidationError: One of them contains characters that cannot be seen.
    """
    normal = {**item, "name": normalize_name(item["name"])}
    message = name_error(normal["name"])
    if "part" in item:
        normal["part"] = normalize_identifier(item["part"])
        message = message or identifier_error(normal["part"])
    if message:
        raise ValidationError({"parts_used": message})
    return normal


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_PART_TEXT_CHARS
