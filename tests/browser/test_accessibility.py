"""Every page passes axe-core in light and dark colours, at the width of a desktop and of a phone.

Pages come from the URL configuration and from the actions of each admin, so a new page is checked
without an entry here. Requests of the browser go to Django's test client: no server runs, and the
pages show the rows of the test's transaction.
"""

from __future__ import annotations

import contextvars
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from apps.maintenance.selectors.work_requests import label_tokens
from apps.maintenance.services.robot_labels import robot_labels_issue
from apps.robots.models import Robot
from tests.support.access_matrix import ADMIN_PAGE_IDS
from tests.support.sample_data import RESOURCE

ORIGIN = "http://testserver"
PARTS = 2  # one for each worker of `make check`
# Addresses without a page of their own: data for scripts, redirects and downloads.
NOT_PAGES = {
    "autocomplete", "search", "jsi18n", "app_list", "None", "logout", "leave_organization",
    "audit_auditlog_export", "robots_robot_export", "robot_client_file",
    "task_file_page",
    "robot_scanned_page",  # opened with a token below
    "alert_counts_part",
}  # fmt: skip
# Swagger UI renders the operations in the API browser; only the frame around them is ours.
FOREIGN_MARKUP = ["#swagger-ui"]
ERROR_TEMPLATES = ("400.html", "403.html", "404.html", "500.html", "503.html")


def admin_routes() -> list[str]:
    """Return the names of all routes of the admin site."""
    (site,) = (p for p in get_resolver().url_patterns if getattr(p, "namespace", "") == "admin")
    found = []
    waiting = list(site.url_patterns)
    while waiting:
        pattern = waiting.pop(0)
        waiting += getattr(pattern, "url_patterns", [])
        if getattr(pattern, "name", None):
            found.append(pattern.name)
    return list(dict.fromkeys(found))


def arguments(route: str, ids: dict) -> Iterator[list]:
    """Yield the arguments with which a route has a page."""
    for model, model_admin in admin.site._registry.items():
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        if not route.startswith(prefix):
            continue
        kind = route.removeprefix(prefix)
        # Models of libraries are registered too, but no role may view them.
        if not model.__module__.startswith("apps."):
            return
        row = ids[RESOURCE[model._meta.model_name]]
        if kind == "act":
            yield from ([row, action.name] for action in model_admin.object_actions)
        elif kind in {"change", "delete", "history"}:
            yield [row]
        else:
            yield []
        return
    key = ADMIN_PAGE_IDS.get(f"admin:{route}")
    yield [ids[key]] if key else []


def addresses(ids: dict) -> dict[str, str]:
    """Return the address of every page with the name of its route."""
    found = {}
    for route in admin_routes():
        if route in NOT_PAGES:
            continue
        for args in arguments(route, ids):
            try:
                found[reverse(f"admin:{route}", args=args)] = route
            except NoReverseMatch:
                pytest.fail(f"{route}: `ADMIN_PAGE_IDS` has to name the sample row of this page.")
    found[f"{reverse('admin:robots_robot_changelist')}?q=nothing-like-it"] = "empty list"
    found[reverse("api:docs")] = "api docs"
    found["/admin/no-such-page/"] = "not found"
    found["/admin/?nul=%00"] = "bad request"
    return found


@pytest.fixture
def html(ids, organization_a, root, make_user, client_for, tenant):
    """The HTML of every page, by its address, as a user gets it who may open the page."""
    clients = [client_for(make_user(organization_a, "admin")), client_for(root), Client()]
    pages = {}
    for address, route in addresses(ids).items():
        is_public = route in {
            "login", "forgot_password", "choose_password", "accept_invitation",
            "acknowledge_alerts",
        }  # fmt: skip
        responses = (client.get(address) for client in (clients[2:] if is_public else clients[:2]))
        response = next((r for r in responses if r.status_code in {200, 400, 404}), None)
        if response is not None and response["Content-Type"].startswith("text/html"):
            pages[address] = response.content.decode()
    viewer = client_for(make_user(organization_a, "viewer"))
    pages["/admin/denied/"] = viewer.get(reverse("admin:accounts_user_changelist")).content.decode()
    with tenant(organization_a):
        robot = Robot.objects.get(pk=ids["robot"])
        robot_labels_issue([robot])
        query = f"?token={label_tokens([robot.pk])[robot.pk]}"
    scanned = f"{reverse('admin:robot_scanned_page', args=[robot.pk])}{query}"
    for address in (scanned, f"{scanned}&sent=1"):
        pages[address] = clients[2].get(address).content.decode()
    labels = f"{reverse('admin:robot_labels_page')}?robot={ids['robot']}"
    pages[labels] = clients[0].get(labels).content.decode()
    task = reverse("admin:maintenance_maintenancetask_change", args=[ids["maintenance-task"]])
    pages[f"{task}?as=viewer"] = viewer.get(task).content.decode()
    # Pages that a form opens.
    claim = reverse("admin:robot_claim_page", args=[ids["robot"]])
    edit, selected = reverse("admin:robots_edit_page"), {"_selected_action": str(ids["robot"])}
    confirm = {**selected, "set_cell": "on", "cell": "7", "step": "confirm"}
    for address, data in (
        (f"{claim}?created", {"do": "create"}),
        (f"{edit}?form", selected),
        (f"{edit}?confirm", confirm),
    ):
        pages[address] = clients[0].post(address.partition("?")[0], data).content.decode()
    for name in ERROR_TEMPLATES:
        pages[f"/errors/{name}"] = render_to_string(name)
    pages["client"] = clients[0]
    return pages


@pytest.fixture
def browser_page(chromium, html):
    """A page of Chromium whose requests are answered by the test client."""
    client = html.pop("client")
    # Playwright calls handlers in a context of their own, with another database connection.
    own = contextvars.copy_context()

    def answer(route) -> None:
        path = urlsplit(route.request.url).path
        address = route.request.url.removeprefix(ORIGIN)
        if path.startswith("/static/"):
            file = finders.find(path.removeprefix("/static/"))
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            route.fulfill(body=Path(file).read_bytes(), content_type=kind)
        elif address in html:
            route.fulfill(body=html[address], content_type="text/html; charset=utf-8")
        elif path.endswith("/events") or not route.request.url.startswith(ORIGIN):
            route.abort()
        else:
            response = own.run(client.get, address)
            body = b"".join(response) if response.streaming else response.content
            route.fulfill(
                status=response.status_code, body=body, content_type=response["Content-Type"]
            )

    context = chromium.new_context(base_url=ORIGIN, reduced_motion="reduce")
    context.route("**/*", answer)
    yield SimpleNamespace(context=context, addresses=list(html))
    context.close()


# Phones show other controls, so all rules run at both widths. Dark colours change the contrast.
CHECKS = (("desktop", 1440, False), ("dark", 1440, True), ("phone", 390, False))
RUN = """async ([exclude, isDark]) => {
  document.documentElement.classList.toggle('dark', isDark);
  document.getAnimations().forEach((animation) => animation.finish());
  const rules = isDark ? {runOnly: ['color-contrast']} : {};
  const options = {resultTypes: ['violations'], iframes: false, ...rules};
  const {violations} = await axe.run({exclude}, options);
  const text = (node) => node.target.join(' ') + ' ' + node.html.slice(0, 160);
  return violations.map((violation) => [violation.id, violation.nodes.map(text)]);
}"""


@pytest.mark.parametrize("part", range(PARTS))
def test_page_has_no_violations(part, browser_page):
    found = []
    page = browser_page.context.new_page()
    for address in browser_page.addresses[part::PARTS]:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        page.evaluate(AXE_SCRIPT)
        for name, width, is_dark in CHECKS:
            page.set_viewport_size({"width": width, "height": 900})
            for rule, nodes in page.evaluate(RUN, [FOREIGN_MARKUP, is_dark]):
                where = "".join(f"\n      {node}" for node in nodes[:4])
                found.append(f"{address} ({name}): {rule} ({len(nodes)}){where}")
    assert not found, f"{len(found)} violations\n" + "\n".join(found)


@pytest.fixture
def phone(browser_page):
    page = browser_page.context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(reverse("admin:index"))
    return page


def test_skip_link_is_first_and_moves_focus_to_the_content(phone):
    phone.keyboard.press("Tab")
    assert phone.evaluate("() => document.activeElement.textContent") == "Skip to content"
    phone.keyboard.press("Enter")
    assert phone.evaluate("() => document.activeElement.tagName") == "MAIN"


def test_phone_menu_is_a_button_of_44_pixels_and_opens_by_keyboard(phone):
    menu = phone.get_by_role("button", name="Menu", exact=True)
    box = menu.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    assert menu.get_attribute("aria-expanded") == "false"
    assert not phone.get_by_role("link", name="Robots", exact=True).is_visible()
    menu.focus()
    phone.keyboard.press("Enter")
    assert phone.get_by_role("link", name="Robots", exact=True).is_visible()
    assert phone.locator("main [aria-controls=nav-sidebar]:visible").get_attribute("aria-expanded")
    phone.get_by_role("button", name="Close menu").click()
    assert not phone.get_by_role("link", name="Robots", exact=True).is_visible()


def test_search_without_a_match_says_so(phone):
    phone.keyboard.press("Control+k")
    phone.get_by_role("searchbox", name="Search").fill("no such thing")
    phone.get_by_text("No match for “no such thing”.").wait_for()


def test_every_control_of_the_theme_is_reachable_and_named(browser_page):
    page = browser_page.context.new_page()
    page.goto(reverse("admin:robots_robot_changelist"))
    page.wait_for_load_state("load")
    assert (
        page.evaluate("""() => [...document.querySelectorAll('[x-on\\\\:click]')]
      .filter((e) => e.textContent.trim() && e.tagName !== 'LI' && e.tabIndex < 0)
      .map((e) => e.outerHTML.slice(0, 120))""")
        == []
    )
    filters = page.get_by_role("button", name="Filters").first
    filters.focus()
    page.keyboard.press("Enter")
    assert page.locator("#changelist-filter").is_visible()
