"""Search of the command palette."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import capfirst
from unfold.dataclasses import SearchResult

from urfmp.common.db.names import normalize_name
from urfmp.common.rendering.formats import format_datetime
from urfmp.pages.selectors.search import search_rows
from urfmp.pages.theme import UNFOLD

_MAX_CHARS = 100
_MAX_PAGES = 6
# Pages that are in no menu, with the permission that they require.
_MORE_PAGES = (
    (
        "Telemetry export",
        "download",
        "admin:telemetry_export_page",
        "telemetry.export_robottelemetry",
    ),
    (
        "Telemetry imports",
        "upload",
        "admin:telemetry_imports_page",
        "telemetry.view_telemetryimport",
    ),
    (
        "Telemetry corrections",
        "edit_off",
        "admin:telemetry_correction_page",
        "telemetry.correct_robottelemetry",
    ),
    ("API documentation", "api", "api:docs", None),
)
_ROW_VIEWS = {
    "robot": ("Robot", "precision_manufacturing", "admin:robot_page"),
    "alert": ("Alert", "notifications", "admin:alerts_alert_change"),
    "task": ("Maintenance", "build", "admin:maintenance_maintenancetask_change"),
    "facility": ("Facility", "factory", "admin:organizations_facility_change"),
    "user": ("User", "person", "admin:accounts_user_change"),
    "command": ("Command", "terminal", "admin:robots_robotcommand_change"),
}


def search(request: HttpRequest) -> HttpResponse:
    """Return pages and rows that contain the words of a search."""
    text = normalize_name(request.GET.get("s", ""))[:_MAX_CHARS]
    if not text:
        return HttpResponse()
    results = [*_page_results(request, text), *_row_results(request, text)]
    context = {"results": results, "words": text}
    return render(request, "unfold/helpers/command_results.html", context)


def _row_results(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    for kind, row in search_rows(request.user, text):
        label, icon, view = _ROW_VIEWS[kind]
        details = [label, *(str(part) for part in _DETAILS[kind](row) if part)]
        title = row.get_type_display() if kind == "command" else str(row)
        yield SearchResult(title, " · ".join(details), reverse(view, args=[row.pk]), icon)


# Rows of the same name differ in these.
_DETAILS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "robot": lambda robot: (robot.serial_number, robot.facility),
    "alert": lambda alert: (
        alert.robot,
        alert.get_severity_display(),
        format_datetime(alert.last_seen_at),
    ),
    "task": lambda task: (
        task.robot,
        f"due {format_datetime(task.due_at)}" if task.due_at else "no due date",
    ),
    "facility": lambda facility: (facility.timezone,),
    "user": lambda user: (user.email, user.get_role_display()),
    "command": lambda command: (
        command.robot,
        command.get_status_display(),
        format_datetime(command.created_at),
    ),
}


def _page_results(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    wanted = text.casefold()
    found = [page for page in _pages(request) if wanted in page[0].casefold()]
    found.sort(key=lambda page: not page[0].casefold().startswith(wanted))
    for title, icon, link in found[:_MAX_PAGES]:
        yield SearchResult(title, "Page", link, icon)


def _pages(request: HttpRequest) -> Iterator[tuple[str, str, str]]:
    """Yield title, icon and address of the pages a user may open."""
    site: Any = admin.site
    for group in site.get_sidebar_list(request):
        for item in group["items"]:
            if item["has_permission"]:
                link = item["link"]
                yield item["title"], item["icon"], str(link(request) if callable(link) else link)
    for item in UNFOLD["ACCOUNT"]["navigation"]:
        yield item["title"], "person", str(item["link"])
    for title, icon, view, permission in _MORE_PAGES:
        if permission is None or request.user.has_perm(permission):
            yield title, icon, reverse(view)
    for model in filter(site.is_registered, apps.get_models()):
        opts = model._meta
        if site.get_model_admin(model).has_add_permission(request):
            address = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
            yield str(capfirst(f"add {opts.verbose_name}")), "add", address
