"""Robots that meet the condition of a rule without metrics."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from apps.robots.choices import RobotStatus

# A status holds since its newest history row. A robot's own report may be older than the row before
# it, so the newest row of the status counts, not the newest row.
_IN_STATUS = """
    SELECT r.id, r.status, coalesce(h.time, r.updated_at) AS since
    FROM robots r
    LEFT JOIN LATERAL (
        SELECT time FROM robot_status_history
        WHERE robot_id = r.id AND status = r.status
        ORDER BY time DESC LIMIT 1
    ) AS h ON true
    WHERE r.is_active AND r.status = ANY (%(statuses)s)
      AND (r.last_seen IS NOT NULL OR r.status <> 'offline')
"""
_OVERDUE = """
    SELECT robot_id, min(due_at) FROM maintenance_tasks
    WHERE status = 'overdue' AND robot_id IS NOT NULL GROUP BY robot_id
"""


class Observed(NamedTuple):
    """A robot that meets a condition, since a time.

    Attributes:
        robot_id: Robot.
        status: Status of the robot; empty for other conditions.
        since: When the condition began.
    """

    robot_id: UUID
    status: str
    since: datetime


def robots_in_status(statuses: Collection[str]) -> list[Observed]:
    """Return the robots in service that have one of the statuses."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_STATUS, {"statuses": list(statuses)})
        return [Observed(*row) for row in cursor.fetchall()]


def offline_robots() -> list[Observed]:
    """Return the robots in service that are offline."""
    return robots_in_status([RobotStatus.OFFLINE])


def robots_with_overdue_tasks() -> list[Observed]:
    """Return the robots that have overdue maintenance tasks."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE)
        return [Observed(robot_id, "", since) for robot_id, since in cursor.fetchall()]
