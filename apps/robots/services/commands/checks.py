"""Checks of a command at its creation and its hand-over."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.accounts.models import ApiKey, User
from apps.accounts.permissions.roles import scopes_have_permission
from apps.accounts.selectors.credentials import is_super_admin
from apps.robots.choices import IN_FLIGHT_STATUSES, MOTION_TYPES, CommandType, RobotStatus
from apps.robots.exceptions import (
    CommandBlockedError,
    CommandForbiddenError,
    MaintenanceLockedError,
    MotionInFlightError,
    RobotOfflineError,
    RobotRetiredError,
    RobotStoppedError,
    StopLatchedError,
)
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.leases import require_lease
from urfmp.common.exceptions import ApplicationError

CONTROL_PERMISSION = "robots.add_robotcommand"


def require_allowed(robot: Robot, command: RobotCommand, *, is_due: bool) -> None:
    """Require that a robot may be given a command.

    Args:
        robot: Robot, whose row the caller has locked, so that no check is outdated when the
            command is stored.
        command: Command, stored or not.
        is_due: Whether it may be handed over at once. The state of the robot, its lease and
            commands in flight are not checked for a command that is scheduled.

    Raises:
        ApplicationError: The reason why it may not.
    """
    if not robot.is_active:
        raise RobotRetiredError
    if not robot.organization.is_active:
        msg = "The organization is inactive."
        raise CommandBlockedError(msg)
    if command.type == CommandType.EMERGENCY_STOP:
        return
    _require_no_lock(robot, command.type)
    if is_due:
        _require_status(robot, command.type)
        if command.type in MOTION_TYPES:
            require_lease(robot, command)
            _require_no_motion(robot, command)


def hand_over_error(robot: Robot, command: RobotCommand) -> ApplicationError | None:
    """Return why a stored command must not be handed over, or None."""
    try:
        _require_permissions(command)
        require_allowed(robot, command, is_due=True)
    except ApplicationError as error:
        return error
    return None


def has_motion_in_flight(robot: Robot) -> bool:
    """Return whether a motion command of the robot is in flight."""
    return bool(_motion_in_flight(robot).exists())


def is_stop_latched(robot: Robot) -> bool:
    """Return whether a stop was requested since the last reset.

    A stop request that could not latch the robot yet counts as well.
    """
    return robot.stop_latched_at is not None or bool(
        RobotCommand.objects.filter(robot=robot, latch_due_at__isnull=False).exists()
    )


def _motion_in_flight(robot: Robot) -> QuerySet[RobotCommand]:
    rows: QuerySet[RobotCommand] = RobotCommand.objects.filter(
        robot=robot, status__in=IN_FLIGHT_STATUSES, type__in=MOTION_TYPES
    )
    return rows


def _require_no_lock(robot: Robot, type: str) -> None:  # noqa: A002 - the column
    if type != CommandType.RESET and is_stop_latched(robot):
        raise StopLatchedError
    if robot.maintenance_locked_at is not None:
        raise MaintenanceLockedError


def _require_status(robot: Robot, type: str) -> None:  # noqa: A002 - the column
    if robot.status == RobotStatus.EMERGENCY_STOP and type != CommandType.RESET:
        raise RobotStoppedError
    if robot.status == RobotStatus.OFFLINE and type in MOTION_TYPES:
        raise RobotOfflineError


def _require_no_motion(robot: Robot, command: RobotCommand) -> None:
    found = _motion_in_flight(robot).exclude(pk=command.pk).first()
    if found is not None:
        msg = (
            f"The command {found.get_type_display()} is {found.get_status_display().lower()}."
            " Wait for its result"
        )
        msg += ", or settle it." if found.status == "unknown" else "."
        raise MotionInFlightError(msg, command_id=str(found.pk))


def _require_permissions(command: RobotCommand) -> None:
    """Require that author and approver may still control robots.

    An author or approver may have lost the role, or access, since the command was stored.
    """
    if command.user_id is not None:
        is_allowed = _may_control(command.user_id)
    elif command.api_key_id is not None:
        is_allowed = _key_may_control(command.api_key_id)
    else:
        is_allowed = True  # a job of the platform
    if not is_allowed:
        raise CommandForbiddenError
    if command.approved_by_id is not None and not _may_control(command.approved_by_id):
        msg = "The user who approved the command may no longer control robots."
        raise CommandForbiddenError(msg)


def _may_control(user_id: UUID) -> bool:
    user = User.objects.filter(pk=user_id).first()
    # Platform staff are users of another organization, which this transaction does not see.
    return is_super_admin(user_id) if user is None else user.has_perm(CONTROL_PERMISSION)


def _key_may_control(key_id: UUID) -> bool:
    rows = ApiKey.objects.filter(pk=key_id, is_active=True).exclude(expires_at__lte=Now())
    key = rows.first()
    return key is not None and scopes_have_permission(key.permissions or (), CONTROL_PERMISSION)
