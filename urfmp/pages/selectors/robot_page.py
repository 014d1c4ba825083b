"""Data of the pages of one robot."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from apps.maintenance.models import MaintenanceTask
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory

MAX_OPEN_TASKS = 50
MAX_CLOSED_TASKS = 10
MAX_COMMANDS = 20
MAX_LATEST_COMMANDS = 5


def status_reason(principal: Any, robot: Robot) -> str | None:
    """Return the reason of a robot's current status, or None."""
    rows = RobotStatusHistory.objects.restrict(principal).filter(robot_id=robot.pk)
    # The latest status change has the reason of the current status.
    reason: str | None = rows.order_by("-time").values_list("reason", flat=True).first()
    return reason


def robot_tasks(principal: Any, robot: Robot, limit: int) -> list[MaintenanceTask]:
    """Return a robot's open tasks, the earliest due date first."""
    rows = MaintenanceTask.objects.restrict(principal).open().filter(robot=robot)
    rows = rows.select_related("assigned_to").order_by(F("due_at").asc(nulls_last=True), "id")
    return list(rows[:limit])


def closed_tasks(principal: Any, robot: Robot) -> list[MaintenanceTask]:
    """Return a robot's completed and cancelled tasks, the latest due date first."""
    rows = MaintenanceTask.objects.restrict(principal).closed().filter(robot=robot)
    rows = rows.select_related("assigned_to").order_by(F("due_at").desc(nulls_last=True), "id")
    return list(rows[:MAX_CLOSED_TASKS])


def robot_commands(principal: Any, robot: Robot, limit: int) -> list[RobotCommand]:
    """Return a robot's commands, the latest first."""
    rows = RobotCommand.objects.restrict(principal).filter(robot=robot)
    return list(rows.select_related("user", "api_key")[:limit])
