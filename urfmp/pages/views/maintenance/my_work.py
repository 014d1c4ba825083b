"""My work: the open tasks of the user, for a phone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from urfmp.pages.selectors.maintenance.my_work import my_work
from urfmp.pages.views.rendering import render_page, require_permission


def my_work_page(request: HttpRequest) -> HttpResponse:
    """Show the user's own open tasks, the most urgent first."""
    require_permission(request, "maintenance.view_maintenancetask")
    return render_page(
        request,
        "pages/maintenance/my_work.html",
        "My work",
        work=my_work(request.user),
        now=timezone.now(),
    )
