"""Search of the command palette."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from unfold.dataclasses import SearchResult

from urfmp.common.db.names import normalize_name
from urfmp.pages.selectors import search_rows

_RESULT_KINDS = {
    "robot": ("Robot", "precision_manufacturing", "admin:robot_page"),
    "task": ("Maintenance", "build", "admin:maintenance_maintenancetask_change"),
    "alert": ("Alert", "notifications", "admin:alerts_alert_change"),
}


def search(request: HttpRequest) -> HttpResponse:
    """Return robots, open tasks and open alerts that contain the search text."""
    words = normalize_name(request.GET.get("s", ""))
    if not words:
        return HttpResponse()
    results = [
        SearchResult(name, label, reverse(view, args=[row.pk]), icon)
        for kind, name, row in search_rows(request.user, words[:100])
        for label, icon, view in (_RESULT_KINDS[kind],)
    ]
    context = {"results": results, "words": words}
    return render(request, "unfold/helpers/command_results.html", context)
