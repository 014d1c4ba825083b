"""Changes to a robot's status, by report and by silence."""

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

from apps.robots.choices import RobotStatus
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.models.status import shown_status
from urfmp.common.db.json_values import check_json
from urfmp.common.redis.events import StatusEvent, publish

# One write per robot in this time is enough to tell silence from speech.
_LAST_SEEN_EVERY = timedelta(seconds=5)
# What is read of the hundreds of robots that are heard of at once.
_OF_STATUS = (
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
    """Take what a robot says of itself, and show it unless a latch or lock outranks it.

    Locks the robot's row: two reports of one robot are taken one after the other.

    Args:
        robot_id: Which robot.
        status: One of `ReportedStatus`.
        reason: In the robot's words; stored with the change.
        robot_time: By the robot's clock; stored in the change's metadata.
        metadata: Anything else about the change.

    Raises:
        RobotRetiredError: The robot is out of service.
        ValidationError: The metadata cannot be stored.
    """
    check_json(metadata=metadata)
    with transaction.atomic():
        robot: Robot = Robot.objects.select_for_update(no_key=True).get(pk=robot_id)
        if not robot.is_active:
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
    robot.status = shown_status(robot, now)
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


def robots_heard(robot_ids: Iterable[UUID]) -> int:
    """Note that robots have been heard of just now, and show silent ones as alive again.

    Writes at most once in 5 s a robot. Rows are locked in the order of their ids, so that
    two batches with the same robots cannot wait for each other.

    Returns:
        How many rows were written.
    """
    with transaction.atomic():
        now = timezone.now()
        stale = Q(last_seen__isnull=True) | Q(last_seen__lt=now - _LAST_SEEN_EVERY)
        robots = list(
            Robot.objects.select_for_update(no_key=True)
            .filter(stale, pk__in=list(robot_ids), is_active=True)
            .only(*_OF_STATUS)
            .order_by("pk")
        )
        quiet = []
        for robot in robots:
            robot.last_seen = now
            if shown_status(robot, now) != robot.status:
                _write_status(robot, now, reason="Heard from again.")
            else:
                quiet.append(robot.pk)
        Robot.objects.filter(pk__in=quiet).update(last_seen=now)
    return len(robots)


def robots_mark_silent() -> int:
    """Show the open organization's robots as offline that have been silent for too long.

    Returns:
        How many were marked.
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
            _write_status(robot, now, reason=f"Not heard of for {seconds} seconds.")
    return len(marked)
