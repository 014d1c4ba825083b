"""The approval of finished work by a second user."""

from __future__ import annotations

from apps.accounts.models import User
from apps.maintenance.choices import (
    MAX_REASON_CHARS,
    MaintenanceAction,
    MaintenanceStatus,
    TaskEventKind,
)
from apps.maintenance.exceptions import OwnWorkApprovalError
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.task_locking import require_allowed, task_lock
from apps.maintenance.services.tasks.completion import close_completed
from apps.maintenance.services.tasks.events import checked_text, task_event_record
from urfmp.common.tenancy.context import audit_action


def task_approve(task: MaintenanceTask, user: User) -> MaintenanceTask:
    """Approve finished work, which completes the task.

    The time of completion is the end of the work.

    Args:
        task: Task that waits for approval.
        user: Second user, who did not finish the work.

    Raises:
        OwnWorkApprovalError: The user finished the work.
        TaskStateError: The task does not wait for approval.
    """
    with audit_action("maintenance.maintenance_task.approve"):
        task = _lock_finished(task, user, MaintenanceAction.APPROVE, "approved")
        task.approved_by = user
        task_event_record(task, TaskEventKind.APPROVED, user)
        close_completed(task)
        task.save(update_fields=["status", "completed_at", "approved_by"])
    return task


def task_send_back(task: MaintenanceTask, user: User, *, reason: str) -> MaintenanceTask:
    """Send finished work back.

    The task is pending and can be started again.

    Args:
        task: Task that waits for approval.
        user: Second user, who did not finish the work.
        reason: What is missing.

    Raises:
        OwnWorkApprovalError: The user finished the work.
        TaskStateError: The task does not wait for approval.
        ValidationError: Nothing in the reason can be seen, or it is too long.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    with audit_action("maintenance.maintenance_task.send_back"):
        task = _lock_finished(task, user, MaintenanceAction.SEND_BACK, "sent back")
        task.status = MaintenanceStatus.PENDING
        task.finished_at, task.finished_by = None, None
        task.save(update_fields=["status", "finished_at", "finished_by"])
        task_event_record(task, TaskEventKind.SENT_BACK, user, reason)
    return task


def _lock_finished(
    task: MaintenanceTask, user: User, action: MaintenanceAction, participle: str
) -> MaintenanceTask:
    task = task_lock(task)
    require_allowed(task, action, participle)
    if task.finished_by_id == user.pk:
        raise OwnWorkApprovalError
    return task
