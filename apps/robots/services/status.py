"""Update a robot's status after its report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from psycopg.types.json import Jsonb

from apps.robots.choices import RobotAction, allows
from apps.robots.exceptions import ReportAheadError, ReportTooOldError, RobotRetiredError
from apps.robots.models import Robot, RobotStatusHistory, RobotStatusRepeat
from apps.robots.selectors.status_history import status_history_kept_since
from apps.robots.services.status_changes import (
    LATCHED_KEY,
    RECONNECTED,
    RESUMED_KEY,
    StatusChange,
    status_write,
)
from urfmp.common.db.json_values import check_json
from urfmp.common.time_bounds import time_error


def robot_report_status(
    *,
    robot_id: UUID,
    status: str,
    reason: str | None = None,
    robot_time: datetime | None = None,
    metadata: dict[str, Any] | None = None,
) -> Robot:
    """Store a robot's status report and update its effective status.

    The newest report by the robot's time is in effect. An older one enters the history at its own
    time and changes nothing else. A report without a time is the newest one. Of two reports with
    the same time, the one received later is the newer, but a report that is already in the history
    changes nothing, so that robots can send it again.

    A stop latch or maintenance lock outranks the report. The robot's row is locked, so that
    concurrent reports of one robot are processed one after the other.

    Args:
        robot_id: Robot that reports.
        status: One of `ReportedStatus`.
        reason: Robot's own text, stored with the change.
        robot_time: Time of the report by the robot's clock.
        metadata: Further data of the change.

    Raises:
        RobotRetiredError: The robot is retired.
        ReportAheadError: The time is too far in the future.
        ReportTooOldError: The time is older than the status history.
        ValidationError: The metadata cannot be stored.
    """
    _check_metadata(metadata)
    with transaction.atomic():
        robot: Robot = Robot.objects.select_for_update(no_key=True).get(pk=robot_id)
        if not allows(RobotAction.REPORT_STATUS, robot.service_state):
            raise RobotRetiredError
        now = timezone.now()
        _check_report_time(robot, robot_time, now)
        change = StatusChange(reason, dict(metadata or {}))
        if robot_time is None:
            robot.reported_at = max(now, robot.reported_at or now)
            robot.reported_status = status
            change.time = robot.reported_at
        else:
            change = _apply_timed_report(robot, status, robot_time.astimezone(UTC), change)
        robot.last_seen, robot.presence_lost_at = now, None
        shown = robot.status
        status_write(robot, now, change)
        if robot_time is not None and change.time is not None and robot.status == shown:
            _keep_repeat(robot, status, change.time, change)
    return robot


_RESERVED_KEYS = {LATCHED_KEY, RESUMED_KEY, "robot_time"}
# Reports with the same time are stored in consecutive microseconds.
_SAME_TIME = timedelta(milliseconds=1)
# Where reports are stored.
_REPORT_MODELS: tuple[Any, ...] = (RobotStatusHistory, RobotStatusRepeat)


def _check_metadata(metadata: dict[str, Any] | None) -> None:
    check_json(metadata=metadata)
    if reserved := _RESERVED_KEYS.intersection(metadata or ()):
        msg = f"The platform sets {', '.join(sorted(reserved))}. Use another name."
        raise ValidationError({"metadata": msg})


def _check_report_time(robot: Robot, robot_time: datetime | None, now: datetime) -> None:
    if robot_time is None:
        return
    # Every organization keeps a day, so that a recent report needs no query.
    oldest = now - timedelta(days=1)
    if robot_time < oldest:
        oldest = status_history_kept_since(robot.organization, now)
    if issue := time_error(robot_time, now, oldest):
        code, detail = issue
        raise (
            ReportAheadError(detail) if code == ReportAheadError.code else ReportTooOldError(detail)
        )


def _apply_timed_report(
    robot: Robot, status: str, robot_time: datetime, change: StatusChange
) -> StatusChange:
    """Apply a report as newest, as late, or as both.

    A report can be the newest one and still be older than rows that the platform wrote, for example
    when it was made without a connection.

    Returns:
        What to store if the robot's effective status changes now.
    """
    newest = robot.reported_at
    change.metadata["robot_time"] = robot_time.isoformat()
    if newest is not None and robot_time <= newest:
        if _is_known(robot, status, robot_time):
            return StatusChange(RECONNECTED, is_resumed=True)
        if robot_time < newest:
            _keep_repeat_of_newest(robot)
            previous = _enter_late(robot, status, robot_time, change)
            return StatusChange(RECONNECTED, previous=previous, is_resumed=True)
    robot.reported_at, robot.reported_status = robot_time, status
    if _has_rows_from(robot, robot_time):
        previous = _enter_late(robot, status, robot_time, change)
        del change.metadata["robot_time"]
        return replace(change, previous=previous, is_resumed=True)
    change.time = robot_time
    return change


def _is_known(robot: Robot, status: str, robot_time: datetime) -> bool:
    """Return whether the same report was received before."""
    newest = robot.reported_at, robot.reported_status
    return (robot_time, status) == newest or _is_stored(robot, status, robot_time)


def _is_stored(robot: Robot, status: str, time: datetime) -> bool:
    """Return whether a report is stored.

    One without a time may be stored after others with the same time.
    """
    window = {"time__gte": time, "time__lt": time + _SAME_TIME}
    moved = Q(metadata__robot_time=time.isoformat()) | Q(metadata__robot_time__isnull=True)
    return any(
        model.objects.filter(
            Q(time=time) | moved, robot_id=robot.pk, status=status, **window
        ).exists()
        for model in _REPORT_MODELS
    )


def _has_rows_from(robot: Robot, time: datetime) -> bool:
    return any(
        model.objects.filter(robot_id=robot.pk, time__gte=time).exists() for model in _REPORT_MODELS
    )


def _keep_repeat_of_newest(robot: Robot) -> None:
    """Keep the robot's newest report if it is not stored."""
    if robot.reported_at is None or _is_stored(robot, robot.reported_status, robot.reported_at):
        return
    # A robot's clock may be ahead: the report has been in effect since it was received.
    received_at = min(robot.reported_at, robot.last_seen or robot.reported_at)
    _keep_repeat(robot, robot.reported_status, received_at, StatusChange())


def _keep_repeat(robot: Robot, status: str, time: datetime, change: StatusChange) -> None:
    """Keep a report that wrote no row for late ones before it."""
    metadata = Jsonb(change.metadata) if change.metadata else None
    report: list[Any] = [robot.pk, time, status, change.reason or None, metadata]
    with connection.cursor() as cursor:
        cursor.execute("SELECT robot_status_repeat(%s, %s, %s, %s, %s)", report)


def _enter_late(robot: Robot, status: str, robot_time: datetime, change: StatusChange) -> str:
    """Enter a late report; return the status of the newest row."""
    report: list[Any] = [
        robot.pk,
        robot_time,
        status,
        change.reason or None,
        Jsonb(change.metadata),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT robot_status_enter(%s, %s, %s, %s, %s)", report)
        return str(cursor.fetchone()[0])
