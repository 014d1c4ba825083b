"""Record what happens to tasks, and the comments on them."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.maintenance.choices import MAX_COMMENT_CHARS, TaskEventKind
from apps.maintenance.models import MaintenanceTask, TaskEvent
from apps.maintenance.services.task_locking import task_lock
from urfmp.common.db.names import validate_visible
from urfmp.common.tenancy.context import audit_action


def task_event_record(
    task: MaintenanceTask, kind: TaskEventKind, user: User | None = None, text: str = ""
) -> TaskEvent:
    """Record an event of a task.

    Every service that changes its status calls it.

    Args:
        task: Task after its change; the caller has locked its row.
        kind: What happened.
        user: User who acted; None for an API key or the system.
        text: Reason, note or comment.
    """
    event: TaskEvent = TaskEvent.objects.create(
        organization_id=task.organization_id, task=task, kind=kind, user=user, text=text
    )
    return event


def task_comment(task: MaintenanceTask, user: User | None, *, text: str) -> MaintenanceTask:
    """Add a comment to a task, which may be closed.

    The row is locked, so that a purge of its robot cannot delete it meanwhile.

    Args:
        task: Task to comment.
        user: Author; None for an API key.
        text: Comment.

    Raises:
        ValidationError: The text is empty, too long, or contains invisible characters only.
    """
    text = checked_text("text", text, MAX_COMMENT_CHARS)
    with audit_action("maintenance.maintenance_task.comment"):
        task = task_lock(task)
        task_event_record(task, TaskEventKind.COMMENTED, user, text)
    return task


def checked_text(field: str, text: str, max_chars: int) -> str:
    """Return a text that users must enter, without blanks around it.

    Args:
        field: Field that the error names.
        text: Text as entered.
        max_chars: Its maximum length.

    Raises:
        ValidationError: Nothing in it can be seen, or it is too long.
    """
    text = text.strip()
    if len(text) > max_chars:
        raise ValidationError({field: f"Enter at most {max_chars} characters."})
    try:
        validate_visible(text)
    except ValidationError as error:
        raise ValidationError({field: error}) from error
    return text
