"""An operator commands a simulated robot, requests a stop and resets it, in a real browser."""

from __future__ import annotations

import threading

import pytest

from examples.robotclient.client import CommandReceiver
from examples.robotclient.execution import CommandedState, CommandExecutor
from tests.browser.conftest import opened

WIDTHS = [1440, 390]
MAKE_OPERATOR = """
from apps.accounts.services.users import user_create
from django.db import connection
from urfmp.common.tenancy.context import tenant_transaction
with connection.cursor() as cursor:
    cursor.execute("SELECT organization_ids()")
    (o,) = cursor.fetchone()
with tenant_transaction(o):
    user_create(organization_id=o, email="b@acme.example", role="operator",
                password="correct horse battery staple")
"""


@pytest.fixture(scope="module")
def simulated(served):
    """The installation's robot, which executes commands."""
    stop = threading.Event()
    receiver = CommandReceiver(served.url, served.key)
    executor = CommandExecutor(receiver, CommandedState(), "R")
    thread = threading.Thread(target=executor.run, args=(stop,), daemon=True)
    thread.start()
    yield served
    stop.set()


@pytest.fixture
def robot_url(simulated):
    """Address of the robot, which has just sent a value and is online."""
    assert simulated.ingest(1.0)[0] == 200
    return f"/admin/robots/robot/{simulated.robot_id}/"


def completed(page):
    """Wait until the page of a command shows its result."""
    page.wait_for_url("**/robotcommand/*/change/")
    page.locator('[data-commands] .u-badge[data-value="completed"]').wait_for(timeout=30_000)


@pytest.mark.parametrize("width", WIDTHS)
def test_operator_commands_robot_and_sees_it_done(width, page, robot_url):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(robot_url)
    page.get_by_role("link", name="Pause", exact=True).first.click()
    page.get_by_label("Reason").fill("Shift change")
    page.get_by_role("button", name="Send pause").click()

    completed(page)

    page.get_by_text("Accepted by the robot").wait_for()
    page.goto(f"{robot_url}?tab=history")
    assert page.locator('[data-commands] .u-badge[data-value="completed"]').first.is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_operator_requests_stop_and_resets_robot(width, page, robot_url):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(robot_url)
    page.locator("#robot").get_by_role("link", name="Request stop of R").click()
    assert page.get_by_text("not a safety device").is_visible()
    page.get_by_role("button", name="Request stop now").click()
    page.get_by_text("No command is sent to this robot until it is reset.").wait_for()

    page.locator("#robot").get_by_role("link", name="Reset").click()
    page.get_by_role("button", name="Send reset").click()
    page.get_by_role("heading", name="Reset R?").wait_for()
    page.get_by_role("button", name="Send reset").click()

    completed(page)
    page.goto(robot_url)
    assert not page.get_by_text("until it is reset").is_visible()


def test_second_operator_sees_holder_and_takes_over(chromium, page, robot_url, simulated):
    simulated.manage("shell", "-v0", "-c", MAKE_OPERATOR)
    page.goto(f"{robot_url}command/?type=start")
    page.get_by_role("button", name="Send start").click()
    completed(page)

    with opened(chromium, simulated) as other:
        other.goto("/admin/")
        other.get_by_label("E-mail").fill("b@acme.example")
        other.get_by_label("Password").fill("correct horse battery staple")
        other.get_by_role("button", name="Sign in").click()
        other.wait_for_url("**/admin/")
        other.goto(f"{robot_url}command/?type=resume")
        other.get_by_text("a@acme.example controls this robot until").wait_for()
        other.get_by_role("link", name="Take over").click()
        other.get_by_role("button", name="Take over control").click()
        other.get_by_text("You control this robot until").wait_for()
