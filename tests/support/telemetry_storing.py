from __future__ import annotations

from django.db import connection

from apps.telemetry.services.pending_work import pending_work_enqueue
from urfmp.common.tenancy.context import tenant_transaction


def store(robot, metric, points, *, unit="W", told=True):
    """Put `(time, value)` of a robot's metric straight into the table.

    Args:
        robot: Whose they are.
        metric: Its name.
        points: In any order.
        unit: That of all.
        told: Whether the consumers of new points are told.
    """
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value, unit)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(time, robot.pk, metric, value, unit) for time, value in points],
        )
        if told:
            pending_work_enqueue(
                robot.organization_id, [(robot.pk, metric, time) for time, _ in points]
            )
