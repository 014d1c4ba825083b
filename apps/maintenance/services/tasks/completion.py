"""Finish work: complete, cancel and reopen tasks."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import (
    FAILURE_TYPES,
    MAX_REASON_CHARS,
    CauseCode,
    FailureCode,
    MaintenanceAction,
    MaintenanceStatus,
    RemedyCode,
    TaskEventKind,
)
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask, TaskEvent
from apps.maintenance.services.part_movements import task_parts_release
from apps.maintenance.services.schedule_states import schedule_state_rearm, schedule_state_recheck
from apps.maintenance.services.task_locking import require_allowed, task_lock
from apps.maintenance.services.tasks.checklists import require_steps
from apps.maintenance.services.tasks.events import checked_text, task_event_record
from apps.maintenance.services.tasks.labour import (
    check_duration,
    labour_end_all,
    measured_duration,
)
from apps.maintenance.services.tasks.maintenance_lock import (
    task_and_robot_lock,
    task_maintenance_lock_release,
)
from apps.robots.services.robots import require_in_service
from urfmp.common.tenancy.context import audit_action


@dataclass(frozen=True)
class Findings:
    """Codes of failure, cause and remedy, required for unplanned work."""

    failure: str = ""
    cause: str = ""
    remedy: str = ""


def task_complete(
    task: MaintenanceTask,
    notes: str | None = None,
    user: User | None = None,
    *,
    actual_duration: int | None = None,
    findings: Findings | None = None,
) -> MaintenanceTask:
    """Complete a task that is in progress, and re-arm its schedule.

    If the organization asks for it, the task waits for the approval of a second user instead. All
    work on it ends, and its lock of the robot is released.

    Args:
        task: Task to complete.
        notes: Text that is appended to the task's notes.
        user: User who finished the work; None for an API key.
        actual_duration: Minutes of work; None for the measured time without pauses.
        findings: Codes of failure, cause and remedy.

    Raises:
        ChecklistIncompleteError: Required steps are not recorded.
        TaskStateError: The task is not in progress.
        ValidationError: The duration is out of range, or a code is unknown or missing.
    """
    with audit_action("maintenance.maintenance_task.complete"):
        task, robot = task_and_robot_lock(task)
        require_allowed(task, MaintenanceAction.COMPLETE, "completed")
        require_steps(task)
        _set_findings(task, findings or Findings())
        task.finished_at, task.finished_by = timezone.now(), user
        labour_end_all(task, task.finished_at)
        if actual_duration is not None:
            check_duration(actual_duration)
            task.actual_duration, task.has_manual_duration = actual_duration, True
        elif not task.has_manual_duration:
            task.actual_duration = measured_duration(task)
        task_maintenance_lock_release(task, robot, user)
        if notes:
            append_note(task, notes)
        if needs_approval(task):
            task.status = MaintenanceStatus.REQUIRES_APPROVAL
            task_event_record(task, TaskEventKind.SUBMITTED, user, notes or "")
        else:
            task_event_record(task, TaskEventKind.COMPLETED, user, notes or "")
            close_completed(task)
        task.save(
            update_fields=[
                "status",
                "completed_at",
                "finished_at",
                "finished_by",
                "actual_duration",
                "has_manual_duration",
                "failure_code",
                "cause_code",
                "remedy_code",
                "robot_locked_at",
                "notes",
            ]
        )
    return task


def _set_findings(task: MaintenanceTask, findings: Findings) -> None:
    """Set the codes of failure, cause and remedy.

    Raises:
        ValidationError: A code is unknown, or missing for corrective or emergency work.
    """
    errors = {}
    for field, value, choices in (
        ("failure_code", findings.failure, FailureCode),
        ("cause_code", findings.cause, CauseCode),
        ("remedy_code", findings.remedy, RemedyCode),
    ):
        code = value or getattr(task, field)
        is_missing = not code and task.type in FAILURE_TYPES
        if is_missing or (code and code not in choices.values):
            errors[field] = f"Choose one of {', '.join(choices.values)}."
        setattr(task, field, code)
    if errors:
        raise ValidationError(errors)


def needs_approval(task: MaintenanceTask) -> bool:
    """Return whether a second user must approve the work."""
    settings = task.organization.effective_settings
    if task.type in settings.maintenance_approval_types:
        return True
    max_cost = settings.maintenance_approval_above_cost
    return max_cost is not None and task.cost is not None and task.cost > max_cost


def close_completed(task: MaintenanceTask) -> None:
    """Complete a task when its work ended; re-arm its schedule.

    Its reserved parts are released.

    Args:
        task: Task whose row is locked; the caller saves it.
    """
    task.status = MaintenanceStatus.COMPLETED
    task.completed_at = task.finished_at or timezone.now()
    task_parts_release(task)
    _rearm(task)


def task_cancel(task: MaintenanceTask, reason: str, user: User | None = None) -> MaintenanceTask:
    """Cancel a task and re-arm its schedule.

    The reason is appended to the notes.

    Args:
        task: Task to cancel.
        reason: Why the work is not done.
        user: User who cancels it; None for an API key.

    Raises:
        TaskStateError: The task is already closed.
        ValidationError: Nothing in the reason can be seen, or it is too long.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    with audit_action("maintenance.maintenance_task.cancel"):
        task, robot = task_and_robot_lock(task)
        require_allowed(task, MaintenanceAction.CANCEL, "cancelled")
        task_maintenance_lock_release(task, robot, user)
        close_cancelled(task, reason, user)
    return task


def close_cancelled(task: MaintenanceTask, reason: str, user: User | None = None) -> None:
    """Set a task cancelled, and note the reason.

    Its reserved parts are released, and its schedule is re-armed.

    Args:
        task: Task whose row is locked.
        reason: Why the work is not done.
        user: User who cancels it; None for an API key or the system.
    """
    task.status = MaintenanceStatus.CANCELLED
    task.hold_reason = ""
    append_note(task, f"Cancelled: {reason}")
    task.save(update_fields=["status", "hold_reason", "robot_locked_at", "notes"])
    labour_end_all(task, timezone.now())
    task_event_record(task, TaskEventKind.CANCELLED, user, reason)
    task_parts_release(task)
    _rearm(task)


def task_reopen(task: MaintenanceTask, reason: str, user: User | None = None) -> MaintenanceTask:
    """Reopen a completed task: it is pending and can be started again.

    Its schedule continues from the first completion, so the second one does not re-arm it. The
    robot's row is locked against retirement.

    Args:
        task: Completed task.
        reason: Why the work is not done yet.
        user: User who reopens it; None for an API key.

    Raises:
        TaskStateError: The task is not completed, or its schedule has opened another one.
        ValidationError: Nothing in the reason can be seen, it is too long, or the robot is retired.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    with audit_action("maintenance.maintenance_task.reopen"):
        require_in_service(task.robot)
        task = task_lock(task)
        require_allowed(task, MaintenanceAction.REOPEN, "reopened")
        _require_no_other_open(task)
        task.status = MaintenanceStatus.PENDING
        task.completed_at, task.finished_at = None, None
        task.finished_by, task.approved_by = None, None
        task.save(
            update_fields=["status", "completed_at", "finished_at", "finished_by", "approved_by"]
        )
        task_event_record(task, TaskEventKind.REOPENED, user, reason)
    return task


def _require_no_other_open(task: MaintenanceTask) -> None:
    """Reject a second open task of a schedule for one robot.

    The planner opens tasks under the robot's lock, which the caller has.
    """
    if task.schedule_id is None:
        return
    others = MaintenanceTask.objects.open().filter(
        schedule_id=task.schedule_id, robot_id=task.robot_id
    )
    if others.exists():
        msg = "The schedule has opened another task for this robot. Do the work in that task."
        raise TaskStateError(msg)


def append_note(task: MaintenanceTask, note: str) -> None:
    """Append a line to a task's notes; the caller saves it."""
    task.notes = f"{task.notes}\n{note}" if task.notes else note


def _rearm(task: MaintenanceTask) -> None:
    """Re-arm the schedule, unless a reopened task is closed again.

    The schedule counts from the first completion. What falls due while the task is open again
    waits for it, so the planner checks the schedule now.
    """
    if task.schedule_id is None:
        return
    if TaskEvent.objects.filter(task=task, kind=TaskEventKind.REOPENED).exists():
        schedule_state_recheck(task)
    else:
        schedule_state_rearm(task, task.completed_at or timezone.now())
