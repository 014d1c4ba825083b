"""The state of the fleet."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from urfmp.pages.selectors import due_tasks, fleet_get, open_alerts
from urfmp.pages.views.rendering import page


def home(request: HttpRequest) -> HttpResponse:
    """Show what runs, what is wrong and what is due; what the role may not see stays empty."""
    user: AbstractBaseUser = request.user  # type: ignore[assignment]
    fleet = fleet_get(user)
    alerts, alert_count = open_alerts(user)
    latest = {
        str(card.robot.pk): card.latest for _, cards in fleet.walls for card in cards if card.latest
    }
    return page(
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
