"""Reads over robots."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from apps.robots.models import Robot


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
