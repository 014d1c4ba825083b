"""Lock a task for an action that its status must allow."""

from __future__ import annotations

from apps.maintenance.choices import MaintenanceAction, MaintenanceStatus, allows
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask


def task_lock(task: MaintenanceTask) -> MaintenanceTask:
    """Lock a task's row, which serializes its actions; return it."""
    locked: MaintenanceTask = MaintenanceTask.objects.select_for_update().get(pk=task.pk)
    return locked


def require_allowed(task: MaintenanceTask, action: MaintenanceAction, participle: str) -> None:
    """Reject an action that the task's status does not allow.

    Args:
        task: Task whose row is locked.
        action: Action that changes it.
        participle: Past participle of the action, for the message.

    Raises:
        TaskStateError: The status does not allow the action.
    """
    if not allows(action, task.status):
        is_finished = task.status == MaintenanceStatus.REQUIRES_APPROVAL
        state = "waiting for approval" if is_finished else task.get_status_display().lower()
        msg = f"A task that is {state} cannot be {participle}."
        raise TaskStateError(msg)
