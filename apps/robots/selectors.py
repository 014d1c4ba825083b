"""Reads over robots."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from apps.robots.models import Robot, RobotStatusHistory


def robot_status_counts(principal: Any) -> dict[str, int]:
    """Return how many robots in service show each status; one query."""
    rows = (
        Robot.objects.restrict(principal)
        .in_service()
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    return dict(rows)


def robot_status_changes(robot_id: UUID, *, start: datetime, end: datetime) -> list[Any]:
    """Return a robot's status changes in a range, oldest first, preceded by the one before it.

    At most 5,001 rows; the status at `start` is that of the first.
    """
    rows = RobotStatusHistory.objects.filter(robot_id=robot_id)
    before = list(rows.filter(time__lte=start).order_by("-time")[:1])
    return before + list(rows.filter(time__gt=start, time__lt=end).order_by("time")[:5000])
