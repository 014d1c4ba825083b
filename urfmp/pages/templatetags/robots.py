"""Template tags of robots."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.robots.models import Robot
from urfmp.common.rendering.commands import command_state_html
from urfmp.common.rendering.stop_requests import stop_link
from urfmp.pages.command_steps import command_steps
from urfmp.pages.robot_tabs import RobotTab, tab_links
from urfmp.pages.selectors.robot_page import status_reason

register = template.Library()


@register.inclusion_tag("pages/inc/robot_header.html", takes_context=True)
def robot_header(context: Any, robot: Robot, tab: str = "") -> dict[str, Any]:
    """Return the context of a robot's header with its tabs.

    Args:
        context: Context of the page; `status_reason` is read if it is missing.
        robot: Robot of the page.
        tab: Tab that is shown; empty on pages beside the tabs.
    """
    user = context["request"].user
    return {
        "robot": robot,
        "reason": (
            context["status_reason"] if "status_reason" in context else status_reason(user, robot)
        ),
        "now": timezone.now(),
        "tabs": tab_links(user, robot, RobotTab(tab) if tab else None),
        "request": context["request"],
        "perms": context["perms"],
    }


@register.simple_tag(takes_context=True)
def request_stop(context: Any, robot: Robot | None) -> SafeString | str:
    """Return a button that leads to a stop request."""
    return stop_link(context["request"].user, robot)


@register.simple_tag(takes_context=True)
def stop_icon(context: Any, robot: Robot | None) -> SafeString | str:
    """Return an icon that leads to a stop request, for rows."""
    return stop_link(context["request"].user, robot, is_icon=True)


register.simple_tag(command_state_html, name="command_state")
register.simple_tag(command_steps, name="command_steps")
