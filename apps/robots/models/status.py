"""Rules for a robot's effective status."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings

from apps.robots.choices import RobotStatus

if TYPE_CHECKING:
    from apps.robots.models.robots import Robot


def is_stale(robot: Robot, now: datetime) -> bool:
    """Return whether a robot has sent nothing within the grace time."""
    return robot.last_seen is None or now - robot.last_seen > settings.ROBOT_OFFLINE_AFTER


def effective_status(robot: Robot, now: datetime) -> str:
    """Return the effective status.

    In order of precedence: stop latch, maintenance lock, offline, reported status.
    """
    if robot.stop_latched_at is not None:
        return RobotStatus.EMERGENCY_STOP
    if robot.maintenance_locked_at is not None:
        return RobotStatus.MAINTENANCE
    if is_stale(robot, now):
        return RobotStatus.OFFLINE
    return robot.reported_status
