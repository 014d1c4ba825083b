"""The home page."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from urfmp.pages.selectors import due_tasks, fleet_overview, open_alerts
from urfmp.pages.views.rendering import render_page


def home(request: HttpRequest) -> HttpResponse:
    """Show robots, open alerts and due tasks; panels without permission stay empty."""
    user: AbstractBaseUser = request.user  # type: ignore[assignment]
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
        now=timezone.now(),
        may_acknowledge=request.user.has_perm("alerts.acknowledge_alert"),
    )
