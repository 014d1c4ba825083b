"""Start, hold and resume work; mark late tasks as overdue."""

from __future__ import annotations

from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import (
    MAX_REASON_CHARS,
    TRANSITIONS,
    MaintenanceAction,
    MaintenanceStatus,
    TaskEventKind,
)
from apps.maintenance.models import MaintenanceTask, TaskEvent
from apps.maintenance.services.task_locking import require_allowed
from apps.maintenance.services.tasks.events import checked_text, task_event_record
from apps.maintenance.services.tasks.labour import labour_begin, labour_end_all
from apps.maintenance.services.tasks.maintenance_lock import (
    task_and_robot_lock,
    task_maintenance_lock_release,
    task_maintenance_lock_set,
)
from urfmp.common.tenancy.context import audit_action


def task_start(task: MaintenanceTask, user: User | None = None) -> MaintenanceTask:
    """Start a task.

    The user's time counts, and the robot is locked if the task asks for it.

    Args:
        task: Task to start.
        user: User who works on it; None for an API key.

    Raises:
        RobotRetiredError: The task locks its robot, which is retired.
        TaskStateError: The task is in progress, on hold, requires approval or is closed.
    """
    with audit_action("maintenance.maintenance_task.start"):
        task, robot = task_and_robot_lock(task)
        require_allowed(task, MaintenanceAction.START, "started")
        now = timezone.now()
        task.status = MaintenanceStatus.IN_PROGRESS
        task.started_at = task.started_at or now
        task_maintenance_lock_set(task, robot, user)
        task.save(update_fields=["status", "started_at", "robot_locked_at"])
        labour_begin(task, user, now)
        task_event_record(task, TaskEventKind.STARTED, user)
    return task


def task_hold(task: MaintenanceTask, reason: str, user: User | None = None) -> MaintenanceTask:
    """Put a task that is in progress on hold.

    No time counts, and its lock of the robot is released.

    Args:
        task: Task to put on hold.
        reason: What the work waits for; pages show it until the work resumes.
        user: User who stops working; None for an API key.

    Raises:
        TaskStateError: The task is not in progress.
        ValidationError: Nothing in the reason can be seen, or it is too long.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    with audit_action("maintenance.maintenance_task.hold"):
        task, robot = task_and_robot_lock(task)
        require_allowed(task, MaintenanceAction.HOLD, "put on hold")
        task.status = MaintenanceStatus.ON_HOLD
        task.hold_reason = reason
        task_maintenance_lock_release(task, robot, user)
        task.save(update_fields=["status", "hold_reason", "robot_locked_at"])
        labour_end_all(task, timezone.now())
        task_event_record(task, TaskEventKind.HELD, user, reason)
    return task


def task_resume(task: MaintenanceTask, user: User | None = None) -> MaintenanceTask:
    """Resume a task that is on hold, as when it was started.

    Args:
        task: Task to resume.
        user: User who works on it; None for an API key.

    Raises:
        RobotRetiredError: The task locks its robot, which is retired.
        TaskStateError: The task is not on hold.
    """
    with audit_action("maintenance.maintenance_task.resume"):
        task, robot = task_and_robot_lock(task)
        require_allowed(task, MaintenanceAction.RESUME, "resumed")
        task.status = MaintenanceStatus.IN_PROGRESS
        task.hold_reason = ""
        task_maintenance_lock_set(task, robot, user)
        task.save(update_fields=["status", "hold_reason", "robot_locked_at"])
        labour_begin(task, user, timezone.now())
        task_event_record(task, TaskEventKind.RESUMED, user)
    return task


def tasks_mark_overdue() -> int:
    """Mark the open organization's late tasks as overdue.

    The rows are locked in the order of their ids, as for the tasks of a retired robot.

    Returns:
        Number of tasks marked.
    """
    with audit_action("maintenance.maintenance_task.overdue"):
        late = MaintenanceTask.objects.filter(
            status__in=TRANSITIONS[MaintenanceAction.MARK_OVERDUE].sources,
            due_at__lt=timezone.now(),
        ).order_by("pk")
        found = list(late.select_for_update().only("pk", "organization_id"))
        MaintenanceTask.objects.filter(pk__in=[task.pk for task in found]).update(
            status=MaintenanceStatus.OVERDUE
        )
        TaskEvent.objects.bulk_create(
            TaskEvent(organization_id=task.organization_id, task=task, kind=TaskEventKind.OVERDUE)
            for task in found
        )
    return len(found)
