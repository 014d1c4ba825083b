"""Fixtures: a Chromium browser and a running installation."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.playwright import playwright_running
from tests.support.server import installation

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium. Without it the tests are skipped, or fail in CI."""
    path = os.environ.get("URFMP_CHROMIUM", "")
    if not path or not Path(path).exists():
        reason = "Chromium is missing; `python -m urfmp.embedded browser` fetches it."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with playwright_running() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served():
    with installation(live=True) as server:
        yield server


def is_console_error(message):
    """Return whether a message is an error. Expected 400, 403 and 404 responses are not."""
    return message.type == "error" and not re.search(r"status of (400|403|404)", message.text)


@pytest.fixture(scope="module")
def session(chromium, served):
    """Storage state of a logged-in browser. One login serves all tests."""
    context = chromium.new_context(base_url=served.url)
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("a@acme.example")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/")
    yield context.storage_state()
    context.close()


@contextmanager
def opened(chromium, served, **options):
    """Open a page in a fresh browser profile. Console errors fail the test."""
    context = chromium.new_context(
        base_url=served.url, viewport={"width": 1440, "height": 900}, **options
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if is_console_error(message) else None,
    )
    yield page
    context.close()
    assert not errors


@pytest.fixture
def visitor(chromium, served):
    """Page of an anonymous user."""
    with opened(chromium, served) as page:
        yield page


@pytest.fixture
def page(chromium, served, session):
    """Page of a logged-in user."""
    with opened(chromium, served, storage_state=session) as page:
        yield page
