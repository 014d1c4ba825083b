"""What a robot's shown status is made of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings

from apps.robots.choices import RobotStatus

if TYPE_CHECKING:
    from apps.robots.models.robots import Robot


def is_silent(robot: Robot, now: datetime) -> bool:
    """Tell whether nothing has been heard of a robot for longer than the grace time."""
    return robot.last_seen is None or now - robot.last_seen > settings.ROBOT_OFFLINE_AFTER


def shown_status(robot: Robot, now: datetime) -> str:
    """Return the status to show: stop latch, else maintenance lock, else silence, else reported."""
    if robot.stop_latched_at is not None:
        return RobotStatus.EMERGENCY_STOP
    if robot.maintenance_locked_at is not None:
        return RobotStatus.MAINTENANCE
    if is_silent(robot, now):
        return RobotStatus.OFFLINE
    return robot.reported_status
