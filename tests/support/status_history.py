from __future__ import annotations

from apps.robots.models import RobotStatusHistory


def history_of(robot):
    """Return previous status, status and reason of each change, oldest first."""
    return list(
        RobotStatusHistory.objects.filter(robot_id=robot.pk)
        .order_by("time")
        .values_list("previous_status", "status", "reason")
    )
