"""The operator lease: one user at a time moves a robot."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from apps.accounts.models import User
from apps.robots.exceptions import LeaseHeldError, RobotRetiredError
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.robots import robot_lock
from urfmp.common.tenancy.context import audit_action

LEASE_PERIOD = timedelta(minutes=5)


def require_lease(robot: Robot, command: RobotCommand) -> None:
    """Require that no other user holds the robot's lease.

    Args:
        robot: Robot, whose row the caller has locked.
        command: Motion command.

    Raises:
        LeaseHeldError: Another user holds it; `holder` and `expires_at` say who and until when.
    """
    until = robot.lease_expires_at
    if robot.lease_user_id is None or robot.lease_user_id == command.user_id or until is None:
        return
    if not Robot.objects.filter(pk=robot.pk, lease_expires_at__gt=Now()).exists():
        return
    holder = str(robot.lease_user)
    msg = f"{holder} controls the robot. Take over control, or wait until it expires."
    raise LeaseHeldError(msg, holder=holder, expires_at=until.isoformat())


def lease_take_over(robot: Robot, user: User) -> Robot:
    """Give a user control of a robot, even if another has it.

    Control lasts five minutes. Motion commands of the previous holder that were not handed over
    are then rejected. The audit log names both users.

    Args:
        robot: Robot to control. Its row is locked, so that no command is checked against the
            previous lease afterwards.
        user: User who takes over.

    Raises:
        RobotRetiredError: The robot is retired.
    """
    with audit_action("robots.robot.take_control"):
        robot = robot_lock(robot.pk)
        if not robot.is_active:
            raise RobotRetiredError
        _set_lease(robot, user.pk)
    return robot


def lease_release(robot: Robot, user: User) -> Robot:
    """Release a robot's lease before it expires.

    Raises:
        LeaseHeldError: Another user holds it.
    """
    with audit_action("robots.robot.release_control"):
        robot = robot_lock(robot.pk)
        require_lease(robot, RobotCommand(user=user))
        Robot.objects.filter(pk=robot.pk).update(lease_user=None, lease_expires_at=None)
        robot.refresh_from_db(fields=["lease_user", "lease_expires_at"])
    return robot


def lease_extend(robot: Robot, command: RobotCommand) -> None:
    """Give the author of a motion command the lease for five minutes.

    The caller has locked the robot and called `require_lease`. Commands of API keys need no lease
    and take none.
    """
    if command.user_id is not None:
        _set_lease(robot, command.user_id)


def _set_lease(robot: Robot, user_id: UUID) -> None:
    Robot.objects.filter(pk=robot.pk).update(
        lease_user_id=user_id, lease_expires_at=Now() + LEASE_PERIOD
    )
    robot.refresh_from_db(fields=["lease_user", "lease_expires_at"])
