"""The counts in the header, fetched again after changes of alerts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from urfmp.pages.selectors.alert_counts import header_counts
from urfmp.pages.views.rendering import require_permission


@require_GET
def alert_counts_part(request: HttpRequest) -> HttpResponse:
    """Return the counts as a part of a page."""
    require_permission(request, "alerts.view_alert")
    return render(request, "pages/inc/alert_counts.html", {"counts": header_counts(request.user)})
