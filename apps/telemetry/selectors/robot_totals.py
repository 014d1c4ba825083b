"""How many rows belong to one robot."""

from __future__ import annotations

from apps.robots.models import Robot
from apps.telemetry.models import RobotTelemetry, TelemetryImport


def count_points_of_robot(robot: Robot) -> int:
    """Return the number of a robot's stored points."""
    return int(RobotTelemetry.objects.filter(robot_id=robot.pk).count())


def count_imports_of_robot(robot: Robot) -> int:
    """Return the number of a robot's imports."""
    return int(TelemetryImport.objects.filter(robot_id=robot.pk).count())
