"""Changes to robots and to what is known of their state."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.accounts.services.quotas import take_place
from apps.robots.choices import Lifecycle, RobotStatus
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.validation import validate_robot
from apps.robots.status import shown_status
from urfmp.common.db.constraints import must_be_free
from urfmp.common.db.json_values import check_json
from urfmp.common.redis.events import StatusEvent, publish
from urfmp.common.tenancy.context import act

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


def robot_register(*, organization_id: UUID, **fields: Any) -> Robot:
    """Add a robot. Its first status, offline, is written into its history.

    Raises:
        PlanLimitError: The plan has no room for another robot.
        ValidationError: A field does not fit, or the serial number is taken.
    """
    robot = Robot(organization_id=organization_id, **fields)
    robot.serial_number = robot.serial_number or None
    with _serial_number_must_be_free(), act("robots.robot.create"):
        take_place(organization_id, "robots")
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.save(force_insert=True)
    return robot


def robot_update(robot: Robot, **changes: Any) -> Robot:
    """Change what people know of a robot; raises its version.

    Raises:
        ValidationError: A field does not fit, or the serial number is taken; or the lifecycle
            would say that the robot retires or returns, which are acts of their own.
    """
    wanted = changes.get("lifecycle", robot.lifecycle)
    if (wanted == Lifecycle.RETIRED) is not (robot.lifecycle == Lifecycle.RETIRED):
        raise ValidationError({"lifecycle": "Retire the robot, or return it to service."})
    return _change(robot, changes)


def _serial_number_must_be_free() -> AbstractContextManager[None]:
    return must_be_free("serial_number", "Another robot has this serial number.")


def _change(robot: Robot, changes: dict[str, Any]) -> Robot:
    if not changes:
        return robot
    with _serial_number_must_be_free(), act("robots.robot.update"):
        for name, value in changes.items():
            setattr(robot, name, value)
        robot.serial_number = robot.serial_number or None
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.version = F("version") + 1
        # Only these: the state of the robot may be written by its own messages meanwhile.
        robot.save(update_fields=[*changes, "version"])
        robot.refresh_from_db(fields=["version", "updated_at"])
    return robot


def robot_retire(robot: Robot) -> Robot:
    """Take a robot out of service for good: its keys stop working, its history stays."""
    with act("robots.robot.retire"):
        return _change(robot, {"is_active": False, "lifecycle": Lifecycle.RETIRED})


def robot_return_to_service(robot: Robot) -> Robot:
    """Put a retired robot to work again.

    Locks the robot's row: nobody retires it between the count and the return.

    Raises:
        PlanLimitError: The plan has no room for another robot.
    """
    with act("robots.robot.return_to_service"):
        rows = Robot.objects.select_for_update(no_key=True)
        if not rows.values_list("is_active", flat=True).get(pk=robot.pk):
            take_place(robot.organization_id, "robots")
        return _change(robot, {"is_active": True, "lifecycle": Lifecycle.ACTIVE})


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
