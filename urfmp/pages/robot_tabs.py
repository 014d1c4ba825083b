"""Tabs of a robot's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse

from apps.robots.models import Robot


class RobotTab(models.TextChoices):
    """A tab of a robot's page."""

    OVERVIEW = "overview", "Overview"
    TELEMETRY = "telemetry", "Telemetry"
    WORK = "work", "Work"
    HISTORY = "history", "History"
    SETTINGS = "settings", "Settings"


# Tabs that need a permission besides the one to view the robot.
_PERMISSIONS = {
    RobotTab.TELEMETRY: "telemetry.view_robottelemetry",
    RobotTab.WORK: "maintenance.view_maintenancetask",
}


@dataclass(frozen=True)
class TabLink:
    """A link to a tab."""

    label: str
    address: str
    is_current: bool


def may_open(user: Any, tab: RobotTab) -> bool:
    """Return whether a user who views the robot may open a tab."""
    return tab not in _PERMISSIONS or bool(user.has_perm(_PERMISSIONS[tab]))


def tab_address(robot: Robot, tab: RobotTab) -> str:
    """Return the address of a tab; the settings are the robot's form."""
    if tab == RobotTab.SETTINGS:
        return reverse("admin:robots_robot_change", args=[robot.pk])
    page = reverse("admin:robot_page", args=[robot.pk])
    return page if tab == RobotTab.OVERVIEW else f"{page}?tab={tab}"


def tab_links(user: Any, robot: Robot, current: RobotTab | None) -> list[TabLink]:
    """Return links to the tabs that a user may open."""
    return [
        TabLink(str(tab.label), tab_address(robot, tab), tab == current)
        for tab in RobotTab
        if may_open(user, tab)
    ]
