"""Links to stop requests, for admin and pages."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

_WITH_TEXT = (
    '<a class="u-button u-button--stop" href="{}" aria-label="Request stop of {}">'
    '<span class="material-symbols-outlined" aria-hidden="true">front_hand</span>Request stop</a>'
)
_ICON = '<a class="u-stoplink" href="{}" aria-label="Request stop of {}"></a>'


def may_request_stop(user: Any) -> bool:
    """Return whether a user may request robots to stop."""
    return bool(user.has_perm("robots.add_robotcommand"))


def stop_link(user: Any, robot: Any, *, is_icon: bool = False) -> SafeString | str:
    """Return a link to the confirmation of a stop request.

    Empty without a robot in service, and for users who may not request a stop.

    Args:
        user: User who sees the page.
        robot: Row of `robots`, or None.
        is_icon: Whether the link is an icon alone, for rows of a list.
    """
    if robot is None or not robot.is_active or not may_request_stop(user):
        return ""
    address = reverse("admin:robot_stop_page", args=[robot.pk])
    return format_html(_ICON if is_icon else _WITH_TEXT, address, robot.name)
