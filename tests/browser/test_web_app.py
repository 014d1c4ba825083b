"""The service worker in a real browser."""

from __future__ import annotations

from tests.browser.conftest import opened
from tests.support.browser_waiting import until

REGISTRATIONS = "navigator.serviceWorker.getRegistrations()"


def test_service_worker_controls_all_pages_and_ends_with_the_session(chromium, served):
    with opened(chromium, served) as page:
        page.goto("/admin/")
        page.get_by_label("E-mail").fill("a@acme.example")
        page.get_by_label("Password").fill("correct horse battery staple")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/")
        page.evaluate("urfmpWebApp.register().then(() => true)")
        until(page, "navigator.serviceWorker.controller !== null")
        page.evaluate("caches.open('left by a module').then(() => true)")
        scopes = page.evaluate(f"{REGISTRATIONS}.then((all) => all.map((one) => one.scope))")
        assert scopes == [f"{served.url}/"]
        page.locator("#logout-form").evaluate("(form) => form.requestSubmit()")
        page.wait_for_url("**/admin/login/")
        assert page.evaluate(f"{REGISTRATIONS}.then((all) => all.length)") == 0
        assert page.evaluate("caches.keys()") == []
