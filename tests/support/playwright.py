"""Playwright with Django's database connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from playwright.sync_api import Playwright, sync_playwright


@contextmanager
def playwright_running() -> Iterator[Playwright]:
    """Run Playwright; close the database connections that were opened meanwhile.

    While an event loop runs in a thread, Django gives it connections apart from the thread's own.
    They would stay open behind the loop, and the test database could not be dropped.
    """
    with sync_playwright() as playwright:
        try:
            yield playwright
        finally:
            connections.close_all()
