"""What users decide about a command: cancel it, or settle its outcome."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.robots.choices import WAITING_STATUSES, CommandStatus, CommandType
from apps.robots.exceptions import CommandStateError
from apps.robots.models import RobotCommand
from apps.robots.services.commands.changes import change_status, command_lock
from urfmp.common.db.names import validate_visible
from urfmp.common.tenancy.context import audit_action

MAX_NOTE_CHARS = 1000


def command_cancel(command: RobotCommand, user: User | None, reason: str = "") -> RobotCommand:
    """Cancel a command that was not handed over.

    Its row is locked, so that it is either cancelled or handed over. A stop request ends with the
    robot's reset alone, which may need a second user.

    Args:
        command: Command to cancel.
        user: User who cancels it; None for an API key, which the audit log names.
        reason: Text that is stored with it.

    Raises:
        CommandStateError: It was handed over, or has ended; or it is a stop request.
        ValidationError: The reason is too long.
    """
    _check_note("reason", reason)
    with audit_action("robots.command.cancel"):
        command = command_lock(command.pk)
        if command.type == CommandType.EMERGENCY_STOP:
            msg = "A stop request cannot be cancelled. Reset the robot when it is safe."
            raise CommandStateError(msg, command_status=command.status)
        if command.status not in WAITING_STATUSES:
            msg = f"The command is {command.get_status_display().lower()}; only commands that were"
            msg += " not handed over can be cancelled."
            raise CommandStateError(msg, command_status=command.status)
        return change_status(
            command,
            CommandStatus.CANCELLED,
            cancelled_by=user,
            completed_at=Now(),
            error_message=reason or None,
        )


def command_settle(command: RobotCommand, user: User, *, outcome: str, note: str) -> RobotCommand:
    """Decide the outcome of a command that the robot did not report.

    Args:
        command: Command whose outcome is unknown.
        user: User who decides.
        outcome: `completed` or `failed`.
        note: What the user saw at the robot.

    Raises:
        CommandStateError: Its outcome is known, perhaps since the robot reported it.
        ValidationError: The outcome or the note is invalid.
    """
    if outcome not in {CommandStatus.COMPLETED, CommandStatus.FAILED}:
        raise ValidationError({"outcome": "Enter completed or failed."})
    _check_note("note", note)
    try:
        validate_visible(note)
    except ValidationError as error:
        raise ValidationError({"note": error}) from error
    with audit_action("robots.command.settle"):
        command = command_lock(command.pk)
        if command.status != CommandStatus.UNKNOWN:
            msg = f"The command is {command.get_status_display().lower()}; only commands with an"
            msg += " unknown outcome can be settled."
            raise CommandStateError(msg, command_status=command.status)
        return change_status(
            command,
            outcome,
            settled_by=user,
            completed_at=Now(),
            result={"note": note},
            error_message=note if outcome == CommandStatus.FAILED else None,
        )


def _check_note(name: str, note: str) -> None:
    if len(note) > MAX_NOTE_CHARS:
        raise ValidationError({name: f"Enter at most {MAX_NOTE_CHARS} characters."})
