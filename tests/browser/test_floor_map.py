"""The floor map in a real browser, and the stop of a cell that an administrator resets."""

from __future__ import annotations

import json
import threading

import pytest

from examples.robotclient.client import CommandReceiver
from examples.robotclient.execution import CommandedState, CommandExecutor
from tests.browser.conftest import opened
from tests.browser.test_commands import MAKE_OPERATOR
from tests.organizations.test_plan_pictures import SVG

WIDTHS = [1440, 390]
PLACE_ROBOT = """
from apps.organizations.services.facilities import facility_create
from apps.robots.models import Robot
from apps.robots.services.robots import robot_update
from django.db import connection
from urfmp.common.tenancy.context import tenant_transaction
with connection.cursor() as cursor:
    cursor.execute("SELECT organization_ids()")
    (o,) = cursor.fetchone()
with tenant_transaction(o):
    facility_create(organization_id=o, name="Hall A")
    robot_update(Robot.objects.get(), location={"facility": "Hall A", "area": "A", "cell": "C1"})
"""
PLACE_ON_MAP = PLACE_ROBOT.replace('facility_create(organization_id=o, name="Hall A")', "").replace(
    '"C1"}', '"C1", "coordinates": {"x_m": 12.5, "y_m": 4}}'
)
ADMIN_MAP = "/admin/floor-maps/?facility=Hall+A"


@pytest.fixture(scope="module")
def placed(served):
    """The installation's robot, in a cell of a facility, executing commands."""
    served.manage("shell", "-v0", "-c", PLACE_ROBOT)
    served.manage("shell", "-v0", "-c", MAKE_OPERATOR)
    stop = threading.Event()
    receiver = CommandReceiver(served.url, served.key)
    executor = CommandExecutor(receiver, CommandedState(), "R")
    threading.Thread(target=executor.run, args=(stop,), daemon=True).start()
    assert served.ingest(1.0)[0] == 200
    yield served
    stop.set()


def report_status(served, status):
    answer = served.call(
        "/api/v1/device/status",
        json.dumps({"status": status}).encode(),
        **{"Content-Type": "application/json", "X-API-Key": served.key},
    )
    assert answer[0] in {200, 201}, answer


@pytest.fixture
def operator(chromium, placed):
    with opened(chromium, placed) as page:
        page.goto("/admin/")
        page.get_by_label("E-mail").fill("b@acme.example")
        page.get_by_label("Password").fill("correct horse battery staple")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin/")
        yield page


def test_plan_is_uploaded_calibrated_and_robot_placed_by_keyboard(placed, page, tmp_path):
    file = tmp_path / "hall.svg"
    file.write_text(SVG.format("<rect width='200' height='100' fill='#eee'/>"))
    page.goto(ADMIN_MAP)
    page.get_by_role("link", name="Upload a plan").click()
    page.get_by_label("Plan", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    picture = page.locator(".u-plan")
    picture.wait_for()
    size = picture.bounding_box()
    for number, x in ((1, 6), (2, size["width"] - 6)):
        page.get_by_role("button", name=("First point", "Second point")[number - 1]).click()
        picture.click(position={"x": x, "y": size["height"] - 6})
        page.locator(f"[name=x_m_{number}]").fill("0" if number == 1 else "40")
        page.locator(f"[name=y_m_{number}]").fill("0")
    page.get_by_role("button", name="Save scale and origin").click()
    page.get_by_text("No robot has a position yet.").wait_for()

    page.get_by_role("link", name="Place R", exact=True).click()
    dot = page.locator(".u-dot")
    dot.wait_for()
    dot.focus()
    x = float(page.get_by_label("X (m)").input_value() or 20)
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowDown"):
        dot.press(key)
    assert float(page.get_by_label("X (m)").input_value()) == pytest.approx(x + 1.1, abs=0.1)
    page.get_by_label("X (m)").fill("12.5")
    page.get_by_label("Y (m)").fill("4")
    page.get_by_role("button", name="Save position").click()
    page.get_by_text("R placed on the map.").wait_for()
    page.get_by_text("12.5, 4.0 m").first.wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_map_shows_robot_live_with_its_stop(width, placed, page):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(ADMIN_MAP)
    page.locator("[data-connection][data-state=open]").wait_for()
    page.get_by_role("button", name="Show R on the map").click()
    card = page.locator("[data-card]")
    card.wait_for()
    stop = card.get_by_role("link", name="Request stop of R")
    box = stop.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert width > 700 or box["height"] >= 44
    report_status(placed, "error")
    page.locator('.u-dot[data-value="error"]').wait_for()
    card.locator('.u-badge[data-value="error"]').wait_for()
    report_status(placed, "idle")
    page.locator('.u-dot[data-value="idle"]').wait_for()
    stop.click()
    page.get_by_role("heading", name="Request stop of R?").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_operator_stops_cell_and_administrator_resets_it(width, placed, operator, page):
    operator.set_viewport_size({"width": width, "height": 844})
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/admin/robots/robotcommand/")
    page.locator("[data-connection][data-state=open]").wait_for()
    rows = page.locator("#result_list tbody").count()
    operator.goto("/admin/fleet/?facility=Hall+A&area=A")
    operator.locator("[data-connection][data-state=open]").wait_for()
    operator.get_by_role("link", name="Request stop of C1").click()
    operator.get_by_role("button", name="Request stop now").click()
    operator.get_by_role("heading", name="Stopped until a reset").wait_for()
    operator.goto("/admin/fleet/?facility=Hall+A&area=A")
    operator.get_by_text("1 emergency stop").wait_for()

    # The list of commands shows the new one by itself.
    page.locator("#result_list tbody").nth(rows).wait_for()
    page.goto("/admin/robots/stop/?facility=Hall+A&area=A&cell=C1")
    page.get_by_role("link", name="Reset this robot").click()
    page.get_by_role("button", name="Send reset").click()
    page.get_by_role("heading", name="Reset all of them?").wait_for()
    page.get_by_role("button", name="Send reset").click()
    page.locator('.u-badge[data-family="command"][data-value="completed"]').wait_for(timeout=30_000)

    # The tree of the other user is updated without a reload.
    operator.get_by_text("1 emergency stop").wait_for(state="detached", timeout=30_000)


def touch(session, kind, *points):
    fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


PIXELS_PER_METRE = """() => {
  const bar = document.querySelector('.u-map__scale');
  return bar.offsetWidth / Number.parseFloat(bar.textContent);
}"""


def test_fingers_that_begin_on_a_robot_move_and_zoom_the_map(placed, chromium, session):
    placed.manage("shell", "-v0", "-c", PLACE_ON_MAP)
    with opened(chromium, placed, storage_state=session, has_touch=True) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(ADMIN_MAP)
        dot = page.locator(".u-dot")
        dot.wait_for()
        dot.scroll_into_view_if_needed()
        fingers = page.context.new_cdp_session(page)

        def centre():
            box = dot.bounding_box()
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        x, y = centre()
        touch(fingers, "touchStart", (x, y))
        for step in range(1, 7):
            touch(fingers, "touchMove", (x + 10 * step, y + 5 * step))
        touch(fingers, "touchEnd")
        assert centre() == pytest.approx((x + 60, y + 30), abs=2)
        assert page.locator("[data-card]").is_hidden()

        x, y = centre()
        before = page.evaluate(PIXELS_PER_METRE)
        touch(fingers, "touchStart", (x, y), (x - 60, y))
        for step in range(1, 7):
            touch(fingers, "touchMove", (x, y), (x - 60 - 10 * step, y))
        touch(fingers, "touchEnd")
        assert page.evaluate(PIXELS_PER_METRE) == pytest.approx(2 * before, rel=0.1)
        assert centre() == pytest.approx((x, y), abs=2)

        page.wait_for_timeout(1000)  # sooner, the browser takes it for a double tap
        page.touchscreen.tap(*centre())
        page.locator("[data-card]").wait_for()
