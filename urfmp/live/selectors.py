"""What the streams read from the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from apps.robots.models import Robot, RobotStatusHistory
from urfmp.common.redis.events import Event, StatusEvent, telemetry_events
from urfmp.common.tenancy.context import tenant_transaction

_ROBOTS_AT_MOST = 5_000
_POINTS_OF_A_ROBOT_AT_MOST = 500
# A robot's first poll looks back this far, and no poll looks back further than a minute.
_FIRST_LOOK_BACK = timedelta(seconds=5)

# The policy on `robots` decides whose points are seen; only robots heard of lately are looked up.
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
        LIMIT %(robots_at_most)s
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
        LIMIT %(points_at_most)s
    ) AS point
"""


def ended_credentials(digests: Collection[str]) -> set[str]:
    """Return those of many sessions and keys that no longer open anything.

    Args:
        digests: Of session tokens and API keys, as the database stores them.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ended_credentials(%s)", [list(digests)])
        return {row[0] for row in cursor.fetchall()}


def recent_statuses(
    organization_id: UUID, robots: Collection[UUID] | None, within: timedelta
) -> list[StatusEvent]:
    """Return the present status of robots whose status changed lately.

    Args:
        organization_id: Whose robots.
        robots: Which of them; None for all.
        within: How lately.
    """
    with tenant_transaction(organization_id):
        changes = RobotStatusHistory.objects.filter(time__gt=timezone.now() - within)
        if robots is not None:
            changes = changes.filter(robot_id__in=robots)
        changed = set(changes.values_list("robot_id", flat=True)[:_ROBOTS_AT_MOST])
        return _statuses(_robots(organization_id).filter(id__in=changed))


def new_events(
    organization_id: UUID,
    robots: Collection[UUID] | None,
    *,
    changed_since: datetime,
    seen_until: dict[UUID, datetime],
) -> list[Event]:
    """Return what was stored lately, as the events that would have told of it.

    Two queries, whatever the number of robots.

    Args:
        organization_id: Whose robots.
        robots: Which of them; None for all.
        changed_since: Statuses of robots that were changed after this moment are returned.
        seen_until: Time of the newest point of each robot that needs not be returned again.
    """
    with tenant_transaction(organization_id):
        changed = _robots(organization_id).filter(updated_at__gt=changed_since)
        if robots is not None:
            changed = changed.filter(id__in=robots)
        events: list[Event] = [*_statuses(changed)]
        events += telemetry_events(_new_points(organization_id, robots, seen_until))
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
                "first": timezone.now() - _FIRST_LOOK_BACK,
                "robots_at_most": _ROBOTS_AT_MOST,
                "points_at_most": _POINTS_OF_A_ROBOT_AT_MOST,
            },
        )
        rows: list[tuple[UUID, str, datetime, float | None, str | None]] = cursor.fetchall()
    return rows


def _robots(organization_id: UUID) -> Any:
    rows = Robot.objects.unscoped(reason="each client's own robots were checked at its sign-in")
    return rows.filter(organization_id=organization_id)


def _statuses(robots: Any) -> list[StatusEvent]:
    latest = RobotStatusHistory.objects.filter(robot_id=OuterRef("id")).order_by("-time")
    rows = robots.annotate(reason=Subquery(latest.values("reason")[:1])).values_list(
        "id", "status", "reason", "last_seen"
    )
    return [
        StatusEvent(robot_id, status or "", reason, last_seen)
        for robot_id, status, reason, last_seen in rows[:_ROBOTS_AT_MOST]
    ]
