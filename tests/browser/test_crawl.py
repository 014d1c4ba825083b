"""Crawl every linked page at two widths: no policy violation, error or overflow."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.urls import NoReverseMatch, Resolver404, get_resolver, resolve, reverse
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import opened

FILL = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.users import system_user_get
from apps.alerts.services.alerts import alert_report
from decimal import Decimal
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import part_create, part_stock_create
from apps.maintenance.services.tasks import task_create
from apps.maintenance.services.templates import StepDraft, template_create
from apps.maintenance.services.work_requests import work_request_create
from apps.organizations.services.facilities import facility_create
from apps.robots.models import Robot, RobotCommand
from apps.telemetry.services.imports import import_upload
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    robot = Robot.objects.first()
    author = system_user_get(organization_id=o)
    hall = facility_create(organization_id=o, name="Hall 1")
    part = part_create(organization_id=o, number="B-7", name="Belt")
    stock = part_stock_create(organization_id=o, part=part, facility=hall, storage_location="A")
    part_movement_create(stock=stock, kind="receive", quantity=Decimal(3))
    template = template_create(
        organization_id=o, title="Greasing", type="cleaning",
        steps=[StepDraft("Joint 1", "pass_fail"), StepDraft("Amount", "number", "g")])
    task_create(organization_id=o, created_by=author, title="Grease", type="cleaning", robot=robot,
                template=template)
    work_request_create(robot=robot, title="Noise")
    alert_report(organization_id=o, robot=robot, type="system", severity="error", title="Hot",
               message="Very hot.")
    RobotCommand.objects.create(organization_id=o, robot=robot, type="pause", payload={"a": 1})
    import_upload(organization_id=o, robot=robot, created_by=author, file_name="run.csv",
                  parts=[b"time,temp\\n2026-01-01T00:00:00Z,20\\n"])
"""
WIDTHS = (390, 1440)
MAX_PAGES_PER_ROUTE = 2
# Routes without a link, and routes that are not pages.
NOT_LINKED = {
    "autocomplete", "search", "jsi18n", "logout", "login", "app_list", "None",
    "password_change_done", "robot_client_file", "task_file_page",
    "robot_scanned_page",  # in the QR code
    "alert_counts_part", "csrf_token",
    "alerts_alertrule_preview", "alerts_alertrule_add_built_in",  # forms are posted to them
}  # fmt: skip


# Chromium logs these statuses itself.
EXPECTED_STATUS = re.compile(r"status of (400|403|404)")


# Routes that only super admins may open.
SUPER_ADMIN_ONLY = {"organizations_organization_act"}


def route_of(path):
    try:
        return resolve(path).view_name
    except Resolver404:
        return None


@pytest.fixture(scope="module")
def filled(served):
    served.manage("shell", "-v0", "-c", FILL)
    for value in range(3):
        assert served.ingest(float(value))[0] == 200


def links(page):
    found = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
    # Each action on a row has a confirmation page.
    found += page.eval_on_selector_all("form[action*='/act/']", "all => all.map(f => f.action)")
    # Query strings are dropped: links of lists repeat with every order and filter.
    return [urlsplit(address).path for address in found]


def visit(page, path, errors):
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if width == WIDTHS[0]:
            try:
                response = page.goto(path)
            except PlaywrightError as error:
                if "Download is starting" in error.message:
                    return
                raise
            assert "unsafe" not in response.headers.get("content-security-policy", "unsafe"), path
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if overflow > 0:
            errors.append(f"{path} at {width} px: {overflow} px too wide")


def unlinked_paths(seen):
    """Yield paths without links. Pages that the role is denied are covered too."""
    for name in admin_routes():
        model, _, kind = name.rpartition("_")
        rows = seen.get(f"admin:{model}_change", [])
        if f"admin:{name}" in seen or name in NOT_LINKED:
            continue
        if kind in {"change", "delete", "history"}:
            for path in rows[:1]:
                yield path.replace("/change/", f"/{kind}/")
        elif kind != "act":
            try:
                yield reverse(f"admin:{name}")
            except NoReverseMatch:
                continue  # the page of an object, found by a link if there is one


def test_every_page_renders(chromium, served, session, filled):
    seen: dict[str, list[str]] = {}
    errors: list[str] = []
    waiting = ["/admin/", "/api/v1/docs"]
    with opened(chromium, served, storage_state=session) as page:
        page.on(
            "console",
            lambda m: errors.append(f"{page.url}: {m.text} {m.location}") if is_error(m) else None,
        )
        while waiting:
            path = waiting.pop(0)
            route = route_of(path)
            opened_before = seen.setdefault(route, [])
            if not waiting:
                waiting += unlinked_paths(seen)
            is_page = path.startswith("/admin/") or path == "/api/v1/docs"
            if route is None or not is_page or path in opened_before:
                continue
            if len(opened_before) >= MAX_PAGES_PER_ROUTE or route.rpartition(":")[2] in NOT_LINKED:
                continue
            opened_before.append(path)
            visit(page, path, errors)
            waiting += links(page)
        assert not errors, "\n".join(dict.fromkeys(errors))
    missed = {name for name in admin_routes() if f"admin:{name}" not in seen} - NOT_LINKED
    # Models without rows have no pages to open.
    empty = {name for name in missed if not seen.get(f"admin:{name.rpartition('_')[0]}_change")}
    assert not missed - empty - SUPER_ADMIN_ONLY
    assert len(seen) > 50


LONG = "W" * 255
FILL_LONG = f"""
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.users import system_user_get, user_create
from apps.alerts.services.alerts import alert_report
from apps.maintenance.services.tasks import task_create
from apps.organizations.services.facilities import facility_create
from apps.robots.services.robots import robot_register
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
long = "{LONG}"
with tenant_transaction(o):
    author = system_user_get(organization_id=o)
    hall = facility_create(organization_id=o, name=long)
    robot = robot_register(organization_id=o, name=long, vendor="v" * 50, model="m" * 100,
                         serial_number="S" * 100, firmware_version="f" * 50,
                         location={{"facility": hall.name}})
    user_create(organization_id=o, role="viewer", email="e" * 60 + "@acme.example",
                first_name="F" * 100, last_name="L" * 100)
    task_create(organization_id=o, created_by=author, title=long, type="cleaning", robot=robot,
                description=long * 4)
    alert_report(organization_id=o, robot=robot, type="system", severity="error", title=long,
                 message=long * 4)
"""


def test_long_texts_do_not_widen_pages(chromium, served, session, filled):
    served.manage("shell", "-v0", "-c", FILL_LONG)
    lists = [name for name in admin_routes() if name.endswith("_changelist")]
    paths = ["/admin/", "/admin/telemetry/", "/admin/status-history/"]
    paths += [reverse(f"admin:{name}") for name in sorted(lists)]
    rows: dict[str | None, str] = {}  # the newest row of each list, which has the long texts
    errors: list[str] = []
    with opened(chromium, served, storage_state=session) as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        for path in paths:
            page.goto(path)
            errors += too_wide(page, path)
            for link in links(page):
                if link.endswith("/change/") or route_of(link) == "admin:robot_page":
                    rows.setdefault(route_of(link), link)
        for path in rows.values():
            page.goto(path)
            errors += too_wide(page, path)
    assert not errors, "\n".join(errors)
    assert {"admin:robot_page", "admin:alerts_alert_change"} <= set(rows)


def too_wide(page, path):
    """Return an error if the page is wider than its window."""
    excess = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    return [f"{path}: {excess} px too wide"] if excess > 0 else []


def is_error(message):
    return message.type in {"error", "warning"} and not EXPECTED_STATUS.search(message.text)


def admin_routes():
    for pattern in get_resolver().url_patterns:
        if getattr(pattern, "namespace", None) == "admin":
            yield from names(pattern)


def names(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern)
        elif pattern.name:
            yield pattern.name
