"""A browser, and a whole installation for it to look at."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

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
    """Debian's Chromium; without one the test is skipped, but fails where CI runs."""
    path = os.environ.get("URFMP_CHROMIUM", "")
    if not path or not Path(path).exists():
        reason = "Chromium is missing; `python -m urfmp.embedded browser` fetches it."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served():
    with installation(live=True) as server:
        yield server


def is_fault(message):
    """Tell whether a console message is one; a refused form is answered with 400, and logged."""
    return message.type == "error" and not re.search(r"status of (400|403|404)", message.text)


@pytest.fixture(scope="module")
def session(chromium, served):
    """What the browser of somebody who has signed in keeps; one sign-in serves every test."""
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
    """A page of a fresh browser profile; any error in its console fails the test."""
    context = chromium.new_context(
        base_url=served.url, viewport={"width": 1440, "height": 900}, **options
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    yield page
    context.close()
    assert not faults


@pytest.fixture
def visitor(chromium, served):
    """A page of somebody who has not signed in."""
    with opened(chromium, served) as page:
        yield page


@pytest.fixture
def page(chromium, served, session):
    """A page of somebody who has signed in."""
    with opened(chromium, served, storage_state=session) as page:
        yield page
