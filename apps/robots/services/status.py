"""Update a robot's status after a report, a message or a timeout."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps.robots.choices import RobotAction, RobotStatus, allows
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.models.status import effective_status
from urfmp.common.db.json_values import check_json
from urfmp.common.redis.events import StatusEvent, publish

# Writing last_seen once in this time suffices to detect robots that are offline.
_LAST_SEEN_INTERVAL = timedelta(seconds=5)
# Only these columns are loaded, for up to hundreds of robots at once.
_STATUS_FIELDS = (
    "organization_id",
    "status",
    "reported_status",
    "last_seen",
    "stop_latched_at",
    "maintenance_locked_at",
)


def robot_report_status(
    *,
    robot_id: UUID,
    status: str,
    reason: str | None = None,
    robot_time: datetime | None = None,
    metadata: dict[str, Any] | None = None,
) -> Robot:
    """Store a robot's status report and update its effective status.

    A stop latch or maintenance lock outranks the report. The robot's row is locked, so that
    concurrent reports of one robot are processed one after the other.

    Args:
        robot_id: Robot that reports.
        status: One of `ReportedStatus`.
        reason: Robot's own text, stored with the change.
        robot_time: Time of the robot's clock, stored in the metadata of the change.
        metadata: Further data of the change.

    Raises:
        RobotRetiredError: The robot is retired.
        ValidationError: The metadata cannot be stored.
    """
    check_json(metadata=metadata)
    with transaction.atomic():
        robot: Robot = Robot.objects.select_for_update(no_key=True).get(pk=robot_id)
        if not allows(RobotAction.REPORT_STATUS, robot.service_state):
            raise RobotRetiredError
        now = timezone.now()
        robot.reported_status = status
        robot.last_seen = now
        extra = dict(metadata or {})
        if robot_time is not None:
            extra["robot_time"] = robot_time.isoformat()
        _write_status(robot, now, reason=reason, metadata=extra)
    return robot


def _write_status(
    robot: Robot,
    now: datetime,
    *,
    reason: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    robot.status = effective_status(robot, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('app.status_reason', %s, true),"
            " set_config('app.status_metadata', %s, true)",
            [reason or "", msgspec.json.encode(metadata).decode() if metadata else ""],
        )
        robot.save(update_fields=["reported_status", "last_seen", "status"])
        cursor.execute(
            "SELECT set_config('app.status_reason', '', true),"
            " set_config('app.status_metadata', '', true)"
        )
    event = StatusEvent(robot.pk, robot.status, reason, robot.last_seen)
    organization_id = robot.organization_id
    transaction.on_commit(lambda: publish(organization_id, event))


def robots_touch(robot_ids: Iterable[UUID]) -> int:
    """Set robots' last_seen to now, and their status if they were offline.

    Each robot is written at most once in 5 s. Rows are locked in the order of their ids, so that
    two batches with the same robots cannot deadlock.

    Returns:
        Number of rows written.
    """
    with transaction.atomic():
        now = timezone.now()
        stale = Q(last_seen__isnull=True) | Q(last_seen__lt=now - _LAST_SEEN_INTERVAL)
        robots = list(
            Robot.objects.select_for_update(no_key=True)
            .filter(stale, pk__in=list(robot_ids), is_active=True)
            .only(*_STATUS_FIELDS)
            .order_by("pk")
        )
        unchanged = []
        for robot in robots:
            robot.last_seen = now
            if effective_status(robot, now) != robot.status:
                _write_status(robot, now, reason="Reconnected.")
            else:
                unchanged.append(robot.pk)
        Robot.objects.filter(pk__in=unchanged).update(last_seen=now)
    return len(robots)


def robots_mark_offline() -> int:
    """Mark the open organization's stale robots as offline.

    Returns:
        Number of robots marked.
    """
    with transaction.atomic():
        now = timezone.now()
        robots = (
            Robot.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(
                Q(last_seen__isnull=True) | Q(last_seen__lt=now - settings.ROBOT_OFFLINE_AFTER),
                stop_latched_at__isnull=True,
                maintenance_locked_at__isnull=True,
            )
            .exclude(status=RobotStatus.OFFLINE)
            .order_by("pk")
        )
        marked = list(robots)
        seconds = int(settings.ROBOT_OFFLINE_AFTER.total_seconds())
        for robot in marked:
            _write_status(robot, now, reason=f"No data for {seconds} seconds.")
    return len(marked)
