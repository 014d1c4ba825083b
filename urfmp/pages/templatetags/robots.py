"""Template tags of robots."""

from __future__ import annotations

from typing import Any

from django import template

from apps.robots.models import Robot
from urfmp.pages.robot_tabs import RobotTab, tab_links
from urfmp.pages.selectors.robot_page import status_reason

register = template.Library()


@register.inclusion_tag("pages/inc/robot_header.html", takes_context=True)
def robot_header(context: Any, robot: Robot, tab: str = "") -> dict[str, Any]:
    """Return the context of a robot's header, with its tabs and what users do.

    Args:
        context: Context of the page.
        robot: Robot of the page.
        tab: Tab that is shown; empty on pages beside the tabs.
    """
    user = context["request"].user
    return {
        "robot": robot,
        "reason": status_reason(user, robot),
        "tabs": tab_links(user, robot, RobotTab(tab) if tab else None),
        "request": context["request"],
        "perms": context["perms"],
    }
