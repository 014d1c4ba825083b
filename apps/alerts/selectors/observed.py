"""What meets the condition of a rule without metrics."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from apps.alerts.choices.rules import SecurityEvent, SystemMeasure
from apps.audit.models import AuditLog
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


# The time of an outcome: a command becomes unknown when its answer is overdue.
_COMMANDS = """
    SELECT robot_id, (array_agg(at ORDER BY at DESC))[%(count)s] FROM (
        SELECT c.robot_id, coalesce(c.completed_at, c.answer_due_at, c.created_at) AS at
        FROM robot_commands c
        WHERE c.status = ANY (%(outcomes)s) AND c.created_at > %(earliest)s
    ) AS ended
    WHERE at > %(start)s
    GROUP BY robot_id
    HAVING count(*) >= %(count)s
"""
# A command can be executed for at most this long before its outcome.
_MAX_COMMAND_AGE = timedelta(days=7)
_ACTIONS = {
    SecurityEvent.FAILED_LOGIN: ("accounts.session.login",),
    SecurityEvent.REFRESH_TOKEN_REUSE: ("accounts.session.refresh_reuse",),
    SecurityEvent.ACCESS_DENIED: ("accounts.access.deny", "accounts.access.refuse"),
}
_WAITING = {
    SystemMeasure.QUEUE_AGE: """
        SELECT min(greatest(e.at, j.scheduled_at))
        FROM procrastinate_jobs j
        JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
        WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
    """,
    SystemMeasure.UNDELIVERED_AGE: """
        SELECT min(coalesce(first_attempt_at, due_at)) FROM notification_deliveries
        WHERE state IN ('queued', 'failed', 'sending') AND held_reason = ''
          AND (attempts > 0 OR due_at <= now())
    """,
}


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


def robots_with_commands(
    outcomes: Collection[str], *, start: datetime, count: int
) -> list[Observed]:
    """Return the robots with enough commands of an outcome.

    Args:
        outcomes: Outcomes to count, of `CommandOutcome`.
        start: Outcomes after this time count.
        count: Least number, at least 1.
    """
    values: dict[str, Any] = {
        "outcomes": list(outcomes),
        "start": start,
        "earliest": start - _MAX_COMMAND_AGE,
        "count": count,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COMMANDS, values)
        return [Observed(robot_id, "", since) for robot_id, since in cursor.fetchall()]


def security_events_since(
    events: Collection[str], *, start: datetime, count: int
) -> datetime | None:
    """Return the time of the newest event, or None if too few.

    Args:
        events: Events to count, of `SecurityEvent`.
        start: Events after this time count.
        count: Least number, at least 1.
    """
    actions = [action for event in events for action in _ACTIONS[SecurityEvent(event)]]
    rows = AuditLog.objects.filter(action__in=actions, success=False, created_at__gt=start)
    times = list(rows.order_by("-created_at").values_list("created_at", flat=True)[:count])
    return times[0] if len(times) == count else None


def waiting_since(measure: str) -> datetime | None:
    """Return since when the oldest job or notification waits, or None."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING[SystemMeasure(measure)])
        since: datetime | None = cursor.fetchone()[0]
    return since
