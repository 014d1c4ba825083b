"""The home page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts.choices import Role
from apps.organizations.selectors import platform_fleet
from urfmp.common.http.request_state import request_state
from urfmp.common.time.zones import zone_or_utc
from urfmp.pages.selectors.fleet import fleet_overview
from urfmp.pages.selectors.maintenance.manager import manager_overview
from urfmp.pages.selectors.panels import due_tasks, open_alerts
from urfmp.pages.views.maintenance.my_work import my_work_page
from urfmp.pages.views.rendering import render_page


def home(request: HttpRequest) -> HttpResponse:
    """Show robots, open alerts and due tasks.

    A super admin at home sees all organizations. Technicians begin with their own work; `?fleet`
    shows the robots to them too. The page names what a role does not include.
    """
    user: Any = request.user
    if getattr(user, "role", "") == Role.TECHNICIAN and "fleet" not in request.GET:
        return my_work_page(request)
    if _is_platform_home(request):
        return render_page(
            request, "pages/platform_home.html", "Home", organizations=platform_fleet(user)
        )
    now = timezone.now()
    fleet = fleet_overview(user)
    alerts, alert_count = open_alerts(user)
    latest = {
        str(card.robot.pk): card.latest
        for _, cards in fleet.robots_by_facility
        for card in cards
        if card.latest
    }
    return render_page(
        request,
        "pages/home.html",
        "Home",
        fleet=fleet,
        alerts=alerts,
        alert_count=alert_count,
        due=due_tasks(user),
        latest=latest,
        now=now,
        manager=manager_overview(user, now, zone_or_utc(user.organization.timezone)),
        may_acknowledge=request.user.has_perm("alerts.acknowledge_alert"),
    )


def _is_platform_home(request: HttpRequest) -> bool:
    is_switched = request_state(request).active_organization is not None
    return not is_switched and request.user.has_perm("organizations.view_platformorganization")
