"""Queries of the event streams."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from apps.alerts.models import AlertEvent as AlertTimelineEvent
from apps.robots.models import Robot, RobotStatusHistory
from urfmp.common.redis.events import AlertEvent, Event, StatusEvent, telemetry_events
from urfmp.common.tenancy.context import tenant_transaction

_MAX_ROBOTS = 5_000
_MAX_POINTS_PER_ROBOT = 500
_MAX_ALERT_EVENTS = 500
# Range of a robot's first poll; later polls read at most the last minute.
_FIRST_POLL_RANGE = timedelta(seconds=5)

# The policy on `robots` restricts the points; only recently seen robots are queried.
_NEW_POINTS = """
    WITH wanted AS (
        SELECT r.id, greatest(coalesce(seen.until, %(first)s), now() - interval '1 minute') AS after
        FROM robots r
        LEFT JOIN unnest(%(robots)s::uuid[], %(times)s::timestamptz[]) AS seen (robot_id, until)
            ON seen.robot_id = r.id
        WHERE r.organization_id = %(organization)s
          AND r.last_seen > now() - interval '1 minute'
          AND (%(only)s::uuid[] IS NULL OR r.id = ANY (%(only)s::uuid[]))
        ORDER BY r.last_seen DESC
        LIMIT %(max_robots)s
    )
    SELECT wanted.id, point.metric_name, point.time, point.value, point.unit
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT t.metric_name, t.time, t.value, t.unit
        FROM robot_telemetry t
        WHERE t.robot_id = wanted.id
          AND t.time > wanted.after
          AND t.time <= now() + interval '5 minutes'
        ORDER BY t.time DESC
        LIMIT %(max_points)s
    ) AS point
"""


def revoked_credentials(digests: Collection[str]) -> set[str]:
    """Return the digests of credentials that are revoked or expired.

    Args:
        digests: Digests of session tokens, access tokens and API keys.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ended_credentials(%s)", [list(digests)])
        return {row[0] for row in cursor.fetchall()}


def recent_statuses(
    organization_id: UUID, robots: Collection[UUID] | None, within: timedelta
) -> list[StatusEvent]:
    """Return the current status of robots that changed it recently.

    Args:
        organization_id: Organization that owns the robots.
        robots: Robots to query; None for all.
        within: Maximum age of the change.
    """
    with tenant_transaction(organization_id):
        changes = RobotStatusHistory.objects.filter(time__gt=timezone.now() - within)
        if robots is not None:
            changes = changes.filter(robot_id__in=robots)
        changed = set(changes.values_list("robot_id", flat=True)[:_MAX_ROBOTS])
        return _statuses(_robots(organization_id).filter(id__in=changed))


def new_events(
    organization_id: UUID,
    robots: Collection[UUID] | None,
    *,
    changed_since: datetime,
    seen_until: dict[UUID, datetime],
) -> list[Event]:
    """Return recently stored statuses, points and changes of alerts as events.

    Executes three queries, whatever the number of robots.

    Args:
        organization_id: Organization that owns the robots.
        robots: Robots to query; None for all.
        changed_since: Only robots changed after this time return a status event.
        seen_until: Time of each robot's newest known point; only later points are returned.
    """
    with tenant_transaction(organization_id):
        changed = _robots(organization_id).filter(updated_at__gt=changed_since)
        if robots is not None:
            changed = changed.filter(id__in=robots)
        events: list[Event] = [*_statuses(changed)]
        events += telemetry_events(_new_points(organization_id, robots, seen_until))
        events += _alert_events(organization_id, robots, changed_since)
    return events


def _new_points(
    organization_id: UUID, robots: Collection[UUID] | None, seen_until: dict[UUID, datetime]
) -> Iterable[tuple[UUID, str, datetime, float | None, str | None]]:
    with connection.cursor() as cursor:
        cursor.execute(
            _NEW_POINTS,
            {
                "organization": organization_id,
                "only": None if robots is None else list(robots),
                "robots": list(seen_until),
                "times": list(seen_until.values()),
                "first": timezone.now() - _FIRST_POLL_RANGE,
                "max_robots": _MAX_ROBOTS,
                "max_points": _MAX_POINTS_PER_ROBOT,
            },
        )
        rows: list[tuple[UUID, str, datetime, float | None, str | None]] = cursor.fetchall()
    return rows


def _alert_events(
    organization_id: UUID, robots: Collection[UUID] | None, since: datetime
) -> list[AlertEvent]:
    reason = "streams deliver them to connections that may view alerts"
    rows = AlertTimelineEvent.objects.unscoped(reason=reason).filter(
        organization_id=organization_id, created_at__gt=since
    )
    if robots is not None:
        rows = rows.filter(alert__robot_id__in=robots)
    newest = rows.order_by("-created_at").values_list(
        "alert__robot_id", "alert_id", "kind", "severity", "alert__title", "created_at"
    )[:_MAX_ALERT_EVENTS]
    return [AlertEvent(*row) for row in reversed(newest)]


def _robots(organization_id: UUID) -> Any:
    rows = Robot.objects.unscoped(reason="the robots were checked when the stream opened")
    return rows.filter(organization_id=organization_id)


def _statuses(robots: Any) -> list[StatusEvent]:
    latest = RobotStatusHistory.objects.filter(robot_id=OuterRef("id")).order_by("-time")
    rows = robots.annotate(reason=Subquery(latest.values("reason")[:1])).values_list(
        "id", "status", "reason", "last_seen"
    )
    return [
        StatusEvent(robot_id, status or "", reason, last_seen)
        for robot_id, status, reason, last_seen in rows[:_MAX_ROBOTS]
    ]
