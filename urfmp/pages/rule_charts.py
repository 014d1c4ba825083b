"""Alert rules that are set on a chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.alerts.choices.alerts import AlertSeverity
from apps.robots.models import Robot


def rule_context(user: Any, robots: Iterable[Robot]) -> dict[str, Any]:
    """Return what charts need on which the user may set rules.

    Args:
        user: User of the page; without the permission to add rules the charts have no such button.
        robots: Robots on the charts.
    """
    if not user.has_perm("alerts.add_alertrule"):
        return {}
    return {
        "rule_robots": {
            str(robot.pk): {"name": robot.name, "model": robot.model or ""} for robot in robots
        },
        "rule_severities": AlertSeverity.choices,
    }
