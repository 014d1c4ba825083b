"""The stop latch: no command for a robot until its reset."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from apps.accounts.models import User
from apps.robots.choices import CommandStatus, CommandType, RobotStatus
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.changes import cancel_waiting, change_status
from apps.robots.services.status_changes import (
    STATUS_FIELDS,
    StatusChange,
    status_write,
    statuses_write,
)
from urfmp.common.db.clock import database_time

_LOCK_TIMEOUT = "400ms"


def stop_latch_set(robot_ids: Collection[UUID], reason: str) -> int:
    """Latch robots and cancel the commands that wait for them.

    A robot whose row another transaction keeps locked for longer than 400 ms is left to a job. Its
    stop request is stored and handed over nevertheless, and counts as a latch for every check.

    Returns:
        Number of robots that are latched now.
    """
    free = _lock(robot_ids, skip_locked=True)
    _latch(free, reason)
    busy = set(robot_ids) - {robot.pk for robot in free}
    if not busy:
        return len(free)
    try:
        with transaction.atomic():
            _set_lock_timeout(_LOCK_TIMEOUT)
            late = _lock(busy)
            _latch(late, reason)
            _set_lock_timeout("0")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        return len(free)
    return len(free) + len(late)


def _lock(robot_ids: Collection[UUID], *, skip_locked: bool = False) -> list[Robot]:
    rows = Robot.objects.select_for_update(no_key=True, skip_locked=skip_locked)
    return list(rows.filter(pk__in=robot_ids).only(*STATUS_FIELDS).order_by("pk"))


def _set_lock_timeout(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [value])


def _latch(robots: list[Robot], reason: str) -> None:
    ids = [robot.pk for robot in robots]
    unlatched = [robot for robot in robots if robot.stop_latched_at is None]
    if unlatched:
        statuses_write(
            unlatched,
            RobotStatus.EMERGENCY_STOP,
            StatusChange(reason),
            stop_latched_at=database_time(),
        )
    cancel_waiting(ids, reason)
    RobotCommand.objects.filter(robot_id__in=ids, latch_due_at__isnull=False).update(
        latch_due_at=None
    )


def stop_latch_release(robot: Robot, user: User | None) -> None:
    """Release a robot's stop latch, because its reset is authorized.

    Stop requests that the robot has not fetched are cancelled.

    Args:
        robot: Robot, whose row the caller has locked.
        user: User who resets the robot; None for an API key.
    """
    by = f"{user}" if user else "an API key"
    unfetched = RobotCommand.objects.select_for_update(no_key=True).filter(
        robot=robot, type=CommandType.EMERGENCY_STOP, status=CommandStatus.PENDING
    )
    for command in unfetched.order_by("pk"):
        change_status(
            command,
            CommandStatus.CANCELLED,
            completed_at=Now(),
            cancelled_by=user,
            error_message=f"The robot was reset by {by}.",
        )
    RobotCommand.objects.filter(robot=robot, latch_due_at__isnull=False).update(latch_due_at=None)
    if robot.stop_latched_at is not None:
        robot.stop_latched_at = None
        robot.save(update_fields=["stop_latched_at"])
        status_write(robot, timezone.now(), StatusChange(f"Reset by {by}.", is_resumed=True))
