"""Addresses of the pages that are no model's own. They live under the admin, in its namespace."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from urfmp.pages.views.own_sessions import own_sessions_page
from urfmp.pages.views.robot import robot_page
from urfmp.pages.views.status_history import status_history_page
from urfmp.pages.views.telemetry import telemetry_page


def page_urls(site: Any) -> list[URLPattern]:
    """Return the pages, each behind the site's sign-in."""
    return [
        path("own-sessions/", site.admin_view(own_sessions_page), name="own_sessions_page"),
        path("robots/robot/<uuid:robot_id>/", site.admin_view(robot_page), name="robot_page"),
        path("telemetry/", site.admin_view(telemetry_page), name="telemetry_page"),
        path("status-history/", site.admin_view(status_history_page), name="status_history_page"),
    ]
