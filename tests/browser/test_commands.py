"""An operator commands a simulated robot in a real browser."""

from __future__ import annotations

import threading

import pytest

from examples.robotclient.client import CommandReceiver
from examples.robotclient.execution import CommandedState, CommandExecutor

WIDTHS = [1440, 390]


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
