"""Robots that the pages offer and find."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.robots.models import Robot
from apps.telemetry.models import RobotTelemetry
from urfmp.common.db.names import normalize_name


def robot_choices(principal: Any, limit: int = 1000) -> list[tuple[UUID, str]]:
    """Return id and name of visible robots, sorted by name."""
    return list(Robot.objects.restrict(principal).values_list("pk", "name")[:limit])


def default_robot(principal: Any) -> Robot | None:
    """Return the robot shown by default: the first in service by name."""
    robot: Robot | None = Robot.objects.restrict(principal).in_service().first()
    return robot


def find_robot(principal: Any, words: str) -> Robot | None:
    """Find a robot by name, serial number or part of the name."""
    words = normalize_name(words)
    robots = Robot.objects.restrict(principal)
    exact = robots.filter(Q(name__iexact=words) | Q(serial_number__iexact=words))
    robot: Robot | None = exact.first() or robots.filter(name__icontains=words).first()
    return robot


def can_view_telemetry(principal: Any) -> bool:
    """Return whether the principal may view telemetry."""
    return bool(principal.has_perm(f"telemetry.view_{RobotTelemetry._meta.model_name}"))
