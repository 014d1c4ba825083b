"""Create tasks and change their fields."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import MaintenanceAction, MaintenanceStatus, allows
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.parts import merged_parts_used
from apps.maintenance.services.task_locking import require_allowed, task_lock
from apps.maintenance.services.tasks.checklists import check_template, task_steps_copy
from apps.robots.services.robots import require_in_service
from urfmp.common.db.json_values import check_json
from urfmp.common.db.names import (
    identifier_error,
    name_error,
    normalize_identifier,
    normalize_name,
)
from urfmp.common.tenancy.context import audit_action

# Upper limit of a part's quantity and of its unit cost.
_MAX_PART_NUMBER = 1_000_000
_MAX_PART_TEXT_CHARS = 255


def task_create(*, organization_id: UUID, created_by: User, **fields: Any) -> MaintenanceTask:
    """Create a task; without a due time, the scheduled time is used.

    A task of a template takes a copy of its steps and, unless given, its description and duration.

    Raises:
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    task = MaintenanceTask(organization_id=organization_id, created_by=created_by, **fields)
    task.due_at = task.due_at or task.scheduled_at
    task.has_manual_duration = task.actual_duration is not None
    if (template := task.template) is not None:
        task.description = task.description or template.description
        if task.estimated_duration is None:
            task.estimated_duration = template.estimated_duration
    with audit_action("maintenance.maintenance_task.create"):
        check_template(template, organization_id)
        _check(task)
        require_in_service(task.robot)
        task.save(force_insert=True)
        task_steps_copy([task])
    return task


def task_update(task: MaintenanceTask, **changes: Any) -> MaintenanceTask:
    """Change a task's fields.

    A due time in the future makes an overdue task scheduled again. The row is locked, so that an
    update and the overdue job cannot overwrite each other's status.

    Raises:
        TaskStateError: The task is closed, or waits for approval.
        ValidationError: A field is invalid, or a reference belongs to another organization.
    """
    with audit_action("maintenance.maintenance_task.update"):
        task = task_lock(task)
        require_allowed(task, MaintenanceAction.UPDATE, "changed")
        if "actual_duration" in changes:
            task.has_manual_duration = changes["actual_duration"] is not None
        moved = "scheduled_at" in changes and "due_at" not in changes
        robot_id = task.robot_id
        for name, value in changes.items():
            setattr(task, name, value)
        if moved or task.due_at is None:
            task.due_at = task.scheduled_at
        if allows(MaintenanceAction.RESCHEDULE, task.status) and not _is_late(task):
            task.status = MaintenanceStatus.SCHEDULED
        _check(task)
        if "parts_used" in changes:
            task.parts_used = merged_parts_used(task)
        if task.robot_id != robot_id:
            if task.schedule_id is not None:
                msg = "A schedule opened this task for its robot. Create another task instead."
                raise ValidationError({"robot": msg})
            if task.robot_locked_at is not None:
                msg = "The task has locked its robot. Put it on hold before you change the robot."
                raise ValidationError({"robot": msg})
            require_in_service(task.robot)
        task.save()
    return task


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
