"""Rules for a robot's effective status."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Case, CharField, DurationField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Coalesce

from apps.organizations.models.settings import MIN_OFFLINE_AFTER_SECONDS
from apps.robots.choices import RobotStatus

if TYPE_CHECKING:
    from apps.robots.models.robots import Robot

_SECOND = timedelta(seconds=1)


def is_stale(robot: Robot, now: datetime) -> bool:
    """Return whether a robot has no contact within its grace time."""
    if robot.last_seen is None or robot.presence_lost_at is not None:
        return True
    silence = now - robot.last_seen
    # No grace time is shorter, so that a robot in contact needs no query of its organization.
    if silence <= MIN_OFFLINE_AFTER_SECONDS * _SECOND:
        return False
    default = robot.organization.effective_settings.offline_after_seconds
    return silence > (robot.offline_after_seconds or default) * _SECOND


def effective_status(robot: Robot, now: datetime) -> str:
    """Return the effective status.

    In order of precedence: stop latch, maintenance lock, offline, reported status.
    """
    if robot.stop_latched_at is not None:
        return RobotStatus.EMERGENCY_STOP
    if robot.maintenance_locked_at is not None:
        return RobotStatus.MAINTENANCE
    if is_stale(robot, now):
        return RobotStatus.OFFLINE
    return robot.reported_status


def effective_status_expression(now: datetime, offline_after_seconds: int) -> Case:
    """Return `effective_status` as an expression for queries of robots.

    Args:
        now: Time at which the silence of robots is measured.
        offline_after_seconds: Grace time of robots without one of their own.
    """
    grace = ExpressionWrapper(
        Coalesce(F("offline_after_seconds"), offline_after_seconds) * Value(_SECOND),
        output_field=DurationField(),
    )
    is_silent = Q(last_seen__isnull=True) | Q(last_seen__lt=Value(now) - grace)
    return Case(
        When(stop_latched_at__isnull=False, then=Value(RobotStatus.EMERGENCY_STOP)),
        When(maintenance_locked_at__isnull=False, then=Value(RobotStatus.MAINTENANCE)),
        When(is_silent | Q(presence_lost_at__isnull=False), then=Value(RobotStatus.OFFLINE)),
        default=F("reported_status"),
        output_field=CharField(),
    )
