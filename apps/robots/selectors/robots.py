"""Queries of robots."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from apps.robots.models import Robot


def robot_status_counts(principal: Any) -> dict[str, int]:
    """Return the number of robots in service by status; one query."""
    rows = (
        Robot.objects.restrict(principal)
        .in_service()
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    return dict(rows)
