"""stream.js in a browser: tabs share one stream and take over from each other."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page

from apps.accounts.models import UserSession
from tests.support.playwright import playwright_running
from urfmp.common.redis.events import Point, TelemetryEvent, publish

SCRIPT = Path(__file__).parents[2] / "urfmp/live/static/urfmp/live/stream.js"
PAGE = """<!doctype html><meta name="urfmp-live" content="{address}" data-subject="{subject}">
<script src="/stream.js"></script><script src="/page.js"></script>"""
PAGE_SCRIPT = "window.events = []; window.stop = urfmpStream.subscribe((e) => events.push(e));"


@pytest.fixture
def context():
    program = os.environ.get("URFMP_CHROMIUM")
    if not program:
        pytest.skip("URFMP_CHROMIUM is not set")
    with playwright_running() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser.new_context()
        browser.close()


class Pages(BaseHTTPRequestHandler):
    """Pages as the web process would serve them, on one origin with the live process."""

    live_port = 0

    def do_GET(self) -> None:
        path, _, subject = self.path.partition("?")
        if path == "/api/v1/events":
            self._forward()
            return
        content = {"/stream.js": SCRIPT.read_text(), "/page.js": PAGE_SCRIPT}.get(
            path, PAGE.format(address="/api/v1/events", subject=subject)
        )
        kind = "text/javascript" if path.endswith(".js") else "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", "script-src 'self'")
        self.end_headers()
        self.wfile.write(content.encode())

    do_HEAD = do_GET  # noqa: N815

    def _forward(self) -> None:
        """Forward a request to the live process, as the proxy does."""
        link = HTTPConnection("127.0.0.1", self.live_port)
        with closing(link), suppress(OSError):
            link.request(self.command, self.path, headers=dict(self.headers))
            response = link.getresponse()
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers["Content-Type"])
            self.end_headers()
            while line := response.readline():
                self.wfile.write(line)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_tab(context: BrowserContext, start_live, web: str, alice, client_for):
    """Return a function that opens a page in which Alice is logged in."""
    live = start_live(WEB_ORIGIN=web)
    Pages.live_port = live.port
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    token = client_for(alice).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": token, "url": web}])

    def open_page(subject: object = alice.id) -> Page:
        page = context.new_page()
        page.goto(f"{web}/?{subject}")
        return page

    open_page.streams = lambda: [url for url in requests if "/api/v1/events" in url]
    return open_page


def wait_for(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => events.some((e) => {condition})", timeout=30_000)


def send(robot, value: float) -> None:
    point = Point("power.total", timezone.now(), value, "W")
    publish(robot.organization_id, TelemetryEvent(robot.id, [point]))


def test_tabs_share_one_stream_and_take_over(open_tab, make_robot, organization_a):
    robot = make_robot(organization_a)
    first, second = open_tab(), open_tab()
    for page in (first, second):
        wait_for(page, "e.type === 'connection' && e.state === 'open'")
    send(robot, 1.0)
    for page in (first, second):
        wait_for(page, "e.type === 'telemetry' && e.points[0].value === 1")
    assert len(open_tab.streams()) == 1

    first.close()
    send(robot, 2.0)
    wait_for(second, "e.type === 'telemetry' && e.points[0].value === 2")
    streams = open_tab.streams()
    assert len(streams) == 2
    assert "last_event_id=" in streams[1]


def test_unsubscribe_closes_stream(open_tab, make_robot, organization_a):
    robot = make_robot(organization_a)
    page = open_tab()
    wait_for(page, "e.state === 'open'")
    page.evaluate("stop()")
    send(robot, 1.0)
    time.sleep(0.5)
    assert page.evaluate("events.filter((e) => e.type === 'telemetry').length") == 0


def test_revoked_session_ends_all_tabs(open_tab, tenant, organization_a):
    first, second = open_tab(), open_tab()
    for page in (first, second):
        wait_for(page, "e.state === 'open'")
    with tenant(organization_a):
        UserSession.objects.all().delete()
    for page in (first, second):
        wait_for(page, "e.type === 'connection' && e.state === 'ended'")
    attempts = len(open_tab.streams())
    time.sleep(4)
    assert len(open_tab.streams()) == attempts, "no tab reconnects"


def test_page_of_another_user_receives_no_events(open_tab, make_robot, organization_a):
    robot = make_robot(organization_a)
    page = open_tab("another-user")
    wait_for(page, "e.state === 'ended'")
    send(robot, 1.0)
    time.sleep(0.5)
    assert page.evaluate("events") == [{"type": "connection", "state": "ended"}]
