"""Create commands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.functions import Greatest, Now

from apps.accounts.models import User
from apps.robots.choices import (
    APPROVAL_PERIOD,
    DEFAULT_LIFETIME,
    DEFAULT_MOTION_LIFETIME,
    MAX_LIFETIME,
    MAX_MOTION_LIFETIME,
    MOTION_TYPES,
    WAITING_STATUSES,
    CommandPriority,
    CommandStatus,
    CommandType,
)
from apps.robots.exceptions import TooManyCommandsError
from apps.robots.models import Robot, RobotCommand
from apps.robots.protocols.commands.payloads import validate_payload
from apps.robots.selectors.profiles import supported_command_types
from apps.robots.services.commands.approvals import needs_approval
from apps.robots.services.commands.changes import publish_command
from apps.robots.services.commands.checks import require_allowed
from apps.robots.services.commands.leases import lease_extend
from apps.robots.services.commands.stop_latch import stop_latch_release
from apps.robots.services.robots import robot_lock
from urfmp.common.db.clock import database_time
from urfmp.common.tenancy.context import audit_action, current_actor

MAX_WAITING_PER_ROBOT = 2000
MAX_SCHEDULE_AHEAD = timedelta(days=30)


def command_create(
    *,
    robot: Robot,
    type: str,  # noqa: A002 - the column
    payload: dict[str, Any] | None = None,
    priority: str = CommandPriority.NORMAL,
    user: User | None = None,
    scheduled_at: Any = None,
    lifetime: timedelta | None = None,
) -> RobotCommand:
    """Store a command, to be handed over when the robot asks.

    If the organization asks for it, a firmware update and a reset after a stop request wait for
    the approval of a second user. A reset that waits for none releases the stop latch.

    Locks the robot's row, so that a stop request, a maintenance lock or a retirement comes either
    before the checks or after the command is stored, and then cancels it. A motion command takes
    the robot's lease for its author.

    Args:
        robot: Robot that is to execute it.
        type: One of `CommandType`, except a stop request, which has a service of its own.
        payload: Fields of the type.
        priority: One of `CommandPriority`; it decides which of several waiting commands is first.
        user: Author; None for an API key, which is that of the open transaction.
        scheduled_at: Time before which it is not handed over; aware. A time in the past is
            allowed until the command would have expired, so that a late repetition of a request
            does not repeat the command.
        lifetime: Time from now, or from `scheduled_at`, after which it expires. Motion: 30 s by
            default and at most 5 min; other types: 10 min and at most 24 h.

    Raises:
        ApplicationError: The robot cannot be given this command now, see `require_allowed`.
        TooManyCommandsError: Too many commands of the robot are waiting.
        ValidationError: The payload or another field is invalid.
    """
    if type == CommandType.EMERGENCY_STOP:
        raise ValidationError({"type": "Create a stop request instead."})
    with audit_action("robots.command.create"):
        robot = robot_lock(robot.pk)
        command = RobotCommand(
            organization_id=robot.organization_id,
            robot=robot,
            user=user,
            api_key_id=None if user else current_actor().api_key_id,
            type=type,
            payload={} if payload is None else payload,
            priority=priority,
            scheduled_at=scheduled_at,
        )
        _check_fields(robot, command)
        lifetime = _checked_lifetime(type, lifetime)
        now = database_time()
        _check_schedule(command.scheduled_at, lifetime, now)
        is_due = command.scheduled_at is None or command.scheduled_at <= now
        require_allowed(robot, command, is_due=is_due)
        waiting = RobotCommand.objects.filter(robot=robot, status__in=WAITING_STATUSES)
        if waiting.count() >= MAX_WAITING_PER_ROBOT:
            raise TooManyCommandsError
        if needs_approval(robot, type):
            command.status = CommandStatus.PENDING_APPROVAL
            command.approval_due_at = Now() + APPROVAL_PERIOD
        command.expires_at = ExpressionWrapper(
            _lifetime_start(command) + lifetime, output_field=DateTimeField()
        )
        command.save(force_insert=True)
        command.refresh_from_db()
        if command.is_motion and is_due:
            lease_extend(robot, command)
        if type == CommandType.RESET and command.status == CommandStatus.PENDING:
            stop_latch_release(robot, user)
        publish_command(command)
    return command


def _check_fields(robot: Robot, command: RobotCommand) -> None:
    # The author is who asks, not input; row-level security hides platform staff.
    command.clean_fields(exclude={"api_key", "expires_at", "organization", "robot", "user"})
    _require_supported(robot, command)
    validate_payload(command.type, command.payload, robot.configuration)


def _check_schedule(scheduled_at: datetime | None, lifetime: timedelta, now: datetime) -> None:
    if scheduled_at is None:
        return
    if scheduled_at > now + MAX_SCHEDULE_AHEAD:
        msg = f"Schedule a command at most {MAX_SCHEDULE_AHEAD.days} days ahead."
        raise ValidationError({"scheduled_at": msg})
    if scheduled_at + lifetime <= now:
        msg = "A command for this time has expired already. Choose a later time, or none."
        raise ValidationError({"scheduled_at": msg})


def _require_supported(robot: Robot, command: RobotCommand) -> None:
    """Require a type that the robot's vendor supports.

    A reset is always possible, because it releases the stop latch.

    Raises:
        ValidationError: The vendor's profile does not include the type.
    """
    supported = supported_command_types(robot)
    if command.type not in supported | {CommandType.RESET}:
        names = ", ".join(kind.label for kind in CommandType if kind in supported)
        msg = (
            f"Robots of {robot.vendor_label} do not support {command.get_type_display()}."
            f" Supported: {names}."
        )
        raise ValidationError({"type": msg})


def _checked_lifetime(type: str, lifetime: timedelta | None) -> timedelta:  # noqa: A002
    """Return the lifetime of a command, by default that of its type.

    Raises:
        ValidationError: The lifetime is not positive, or longer than the type allows.
    """
    is_motion = type in MOTION_TYPES
    maximum = MAX_MOTION_LIFETIME if is_motion else MAX_LIFETIME
    if lifetime is None:
        return DEFAULT_MOTION_LIFETIME if is_motion else DEFAULT_LIFETIME
    if not timedelta(seconds=1) <= lifetime <= maximum:
        seconds = int(maximum.total_seconds())
        raise ValidationError({"expires_in": f"Enter 1 to {seconds} seconds for this type."})
    return lifetime


def _lifetime_start(command: RobotCommand) -> Any:
    """Return the time from which a command's lifetime counts, as an expression."""
    if command.scheduled_at is None:
        return command.approval_due_at or Now()
    scheduled_at = Value(command.scheduled_at, DateTimeField())
    if command.approval_due_at is None:
        return scheduled_at
    return Greatest(command.approval_due_at, scheduled_at)
