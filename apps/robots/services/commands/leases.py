"""The operator lease: one user at a time moves a robot."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from apps.robots.exceptions import LeaseHeldError
from apps.robots.models import Robot, RobotCommand

LEASE_PERIOD = timedelta(minutes=5)


def require_lease(robot: Robot, command: RobotCommand) -> None:
    """Require that no other user holds the robot's lease.

    Args:
        robot: Robot, whose row the caller has locked.
        command: Motion command.

    Raises:
        LeaseHeldError: Another user holds it; `holder` and `expires_at` say who and until when.
    """
    if robot.lease_user_id is None or robot.lease_user_id == command.user_id:
        return
    if not Robot.objects.filter(pk=robot.pk, lease_expires_at__gt=Now()).exists():
        return
    holder = robot.lease_user.get_full_name() or robot.lease_user.email
    msg = f"{holder} controls the robot. Take over control, or wait until the control expires."
    raise LeaseHeldError(msg, holder=holder, expires_at=robot.lease_expires_at)


def lease_extend(robot: Robot, command: RobotCommand) -> None:
    """Give the author of a motion command the lease for five minutes.

    The caller has locked the robot and called `require_lease`. Commands of API keys need no lease
    and take none.
    """
    if command.user_id is None:
        return
    Robot.objects.filter(pk=robot.pk).update(
        lease_user_id=command.user_id, lease_expires_at=Now() + LEASE_PERIOD
    )
    robot.refresh_from_db(fields=["lease_user", "lease_expires_at"])
