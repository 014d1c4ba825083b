from __future__ import annotations

from django.db import connection

from apps.telemetry.services.pending_work import pending_work_enqueue
from urfmp.common.tenancy.context import tenant_transaction


def insert_points(robot, metric, points, *, unit="W", enqueue=True):
    """Insert points `(time, value)` of a robot's metric directly into the table.

    Args:
        robot: Robot that owns the points.
        metric: Metric name.
        points: Points in any order.
        unit: Unit of all points.
        enqueue: Whether to enqueue pending work for the points.
    """
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value, unit)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(time, robot.pk, metric, value, unit) for time, value in points],
        )
        if enqueue:
            pending_work_enqueue(
                robot.organization_id, [(robot.pk, metric, time) for time, _ in points]
            )
