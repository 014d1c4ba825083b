"""End commands whose time is over; run by a job."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now

from apps.robots.choices import ANSWERABLE_STATUSES, WAITING_STATUSES, CommandStatus
from apps.robots.exceptions import CommandStateError
from apps.robots.models import RobotCommand
from apps.robots.services.commands.changes import change_status
from apps.robots.services.robots import robot_lock
from urfmp.common.tenancy.context import audit_action

_MAX_ROWS = 500
_NOT_FETCHED = "The robot did not fetch the command in time."
_NOT_APPROVED = "No second user approved the command in time."
_NOT_ACKNOWLEDGED = "The robot did not acknowledge the command in time. It may execute it."
_NOT_REPORTED = "The robot acknowledged the command and reported no result in time."


def commands_expire() -> int:
    """End the open organization's commands that were not handed over in time.

    Rows that a concurrent change has locked are left for the next run.

    Returns:
        Number of commands ended, at most 500.
    """
    late = Q(expires_at__lte=Now()) | Q(
        status=CommandStatus.PENDING_APPROVAL, approval_due_at__lte=Now()
    )
    rows = RobotCommand.objects.select_for_update(skip_locked=True, no_key=True)
    with audit_action("robots.command.expire"):
        commands = list(
            rows.filter(late, status__in=WAITING_STATUSES).order_by("robot_id", "pk")[:_MAX_ROWS]
        )
        for command in commands:
            is_unapproved = command.status == CommandStatus.PENDING_APPROVAL
            change_status(
                command,
                CommandStatus.TIMEOUT,
                completed_at=Now(),
                error_message=_NOT_APPROVED if is_unapproved else _NOT_FETCHED,
            )
    return len(commands)


def commands_mark_unknown() -> int:
    """Mark the open organization's unanswered commands as unknown.

    They are never sent again. Robots are locked before their commands and in the order of their
    ids, as alerts and status reports lock them.

    Returns:
        Number of commands marked, at most 500.
    """
    late = RobotCommand.objects.filter(
        status__in=ANSWERABLE_STATUSES, answer_due_at__lte=Now()
    ).order_by("robot_id", "pk")
    marked = 0
    with audit_action("robots.command.lose"):
        for command in list(late[:_MAX_ROWS]):
            robot_lock(command.robot_id)
            is_sent = command.status == CommandStatus.SENT
            # The robot may have reported between the query and the lock.
            if not late.filter(pk=command.pk, status=command.status).exists():
                continue
            try:
                change_status(
                    command,
                    CommandStatus.UNKNOWN,
                    answer_due_at=None,
                    error_message=_NOT_ACKNOWLEDGED if is_sent else _NOT_REPORTED,
                )
            except CommandStateError:
                continue
            marked += 1
    return marked
