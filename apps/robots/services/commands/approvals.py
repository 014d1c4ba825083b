"""The approval of dangerous commands by a second user."""

from __future__ import annotations

from django.db.models.functions import Now

from apps.accounts.models import User
from apps.robots.choices import APPROVED_TYPES, CommandStatus, CommandType
from apps.robots.exceptions import ApprovalByAuthorError, CommandStateError
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.changes import change_status, command_lock
from apps.robots.services.commands.checks import is_stop_latched, require_allowed
from apps.robots.services.commands.stop_latch import stop_latch_release
from apps.robots.services.robots import robot_lock
from urfmp.common.tenancy.context import audit_action


def needs_approval(robot: Robot, type: str) -> bool:  # noqa: A002 - the column
    """Return whether a second user must approve a command.

    Args:
        robot: Robot, whose row the caller has locked.
        type: Type of the command. A reset needs approval only after a stop request.
    """
    if type not in APPROVED_TYPES or not (
        robot.organization.effective_settings.second_approval_required
    ):
        return False
    return type != CommandType.RESET or is_stop_latched(robot)


def command_approve(command: RobotCommand, user: User) -> RobotCommand:
    """Approve a command, so that the robot can fetch it.

    The robot's row is locked before the command's: the checks of its creation are repeated. An
    approved reset releases the stop latch.

    Args:
        command: Command that waits for approval.
        user: Second user, who is not its author.

    Raises:
        ApprovalByAuthorError: The user created the command.
        CommandStateError: It does not wait for approval, or the 10 minutes are over.
        ApplicationError: The robot cannot be given this command now.
    """
    with audit_action("robots.command.approve"):
        robot = robot_lock(command.robot_id)
        command = _lock_unapproved(command)
        if command.user_id == user.pk:
            raise ApprovalByAuthorError
        require_allowed(robot, command, is_due=command.scheduled_at is None)
        command = change_status(command, CommandStatus.PENDING, approved_by=user)
        if command.type == CommandType.RESET:
            stop_latch_release(robot, command.user or user)
    return command


def command_reject(command: RobotCommand, user: User, reason: str = "") -> RobotCommand:
    """Reject a command that waits for approval.

    Args:
        command: Command that waits for approval.
        user: Second user, who is not its author; the author can cancel it.
        reason: Text that is stored with it.

    Raises:
        ApprovalByAuthorError: The user created the command.
        CommandStateError: It does not wait for approval.
    """
    with audit_action("robots.command.reject"):
        command = _lock_unapproved(command)
        if command.user_id == user.pk:
            raise ApprovalByAuthorError
        return change_status(
            command,
            CommandStatus.REJECTED,
            cancelled_by=user,
            completed_at=Now(),
            error_message=f"Not approved: {reason}" if reason else "Not approved.",
        )


def _lock_unapproved(command: RobotCommand) -> RobotCommand:
    command = command_lock(command.pk)
    is_late = RobotCommand.objects.filter(pk=command.pk, approval_due_at__lte=Now()).exists()
    if command.status != CommandStatus.PENDING_APPROVAL or is_late:
        msg = "The command does not wait for approval."
        raise CommandStateError(msg, command_status=command.status)
    return command
