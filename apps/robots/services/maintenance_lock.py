"""The maintenance lock: no command for a robot during maintenance."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone

from apps.accounts.models import User
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.commands.changes import cancel_waiting
from apps.robots.services.robots import robot_lock
from apps.robots.services.status_changes import StatusChange, status_write
from urfmp.common.db.clock import database_time
from urfmp.common.tenancy.context import audit_action


def maintenance_lock_set(robot: Robot, user: User | None) -> Robot:
    """Lock a robot for maintenance and cancel its waiting commands.

    The robot's row is locked: a command is either handed over before the lock or never. Only stop
    requests still reach the robot. Locking it twice changes nothing.

    Args:
        robot: Robot to lock.
        user: User who locks it; None for an API key, which the audit log names.

    Raises:
        RobotRetiredError: The robot is retired.
    """
    reason = f"Locked for maintenance by {user or 'an API key'}."
    with audit_action("robots.robot.lock_for_maintenance"):
        locked = robot_lock(robot.pk)
        if not locked.is_active:
            raise RobotRetiredError
        if locked.maintenance_locked_at is None:
            locked.maintenance_locked_at = database_time()
            _save(locked, StatusChange(reason))
            cancel_waiting([locked.pk], reason)
    return locked


def maintenance_lock_release(robot: Robot, user: User | None) -> Robot:
    """Release a robot's maintenance lock.

    Cancelled commands stay cancelled. Releasing it twice changes nothing.

    Args:
        robot: Robot to release.
        user: User who releases it; None for an API key, which the audit log names.
    """
    reason = f"Maintenance lock released by {user or 'an API key'}."
    with audit_action("robots.robot.release_from_maintenance"):
        locked = robot_lock(robot.pk)
        if locked.maintenance_locked_at is not None:
            locked.maintenance_locked_at = None
            _save(locked, StatusChange(reason, is_resumed=True))
    return locked


def _save(robot: Robot, change: StatusChange) -> None:
    robot.version = F("version") + 1
    robot.save(update_fields=["maintenance_locked_at", "version"])
    robot.refresh_from_db(fields=["version", "updated_at"])
    status_write(robot, timezone.now(), change)
