"""The main journeys, in a real browser against real processes."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import opened
from tests.support.browser_waiting import until

NEWEST = """() => {
    const canvas = document.querySelector("canvas");
    const chart = canvas && window.Chart && window.Chart.getChart(canvas);
    return chart ? chart.data.datasets[0].data.at(-1)?.y ?? null : null;
}"""


def test_a_chart_receives_a_new_point(page, served):
    for value in (1.0, 2.0):
        assert served.ingest(value)[0] == 200
    page.goto(f"/admin/robots/robot/{served.robot_id}/")
    until(page, f"({NEWEST})() !== null")
    page.wait_for_selector("[data-connection]:has-text('Live')")
    assert served.ingest(42.0)[0] == 200
    until(page, f"({NEWEST})() === 42", seconds=5)


RANGE = """() => {
    const { min, max } = window.Chart.getChart(document.querySelector("canvas")).scales.x;
    return [min, max];
}"""
IS_SHOWN = """() => {
    const canvas = document.querySelector("canvas");
    const { min, max } = window.Chart.getChart(canvas)?.scales.x ?? {};
    return canvas.dataset.shown === `${Math.round(min)} ${Math.round(max)}`;
}"""


def length(page):
    start, end = page.evaluate(RANGE)
    return round((end - start) / 1000)


@pytest.fixture
def charted(page, served):
    """The telemetry page with a chart of values from 0 to 9."""
    for value in range(10):
        assert served.ingest(float(value))[0] == 200
    page.goto("/admin/telemetry/?metrics=a&range=15m")
    until(page, f"({NEWEST})() !== null")
    return page


def test_a_chart_is_zoomed_by_dragging_and_taken_back(charted):
    page = charted
    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 80, steps=4)
    page.mouse.up()
    until(page, IS_SHOWN)
    assert 180 < length(page) < 270
    assert "range=own" in page.url
    assert "start=" in page.url

    page.reload()
    until(page, IS_SHOWN)
    assert 180 < length(page) < 270, "the address holds what is shown"

    page.get_by_role("link", name="15 min").click()
    until(page, f"({RANGE})()[1] - ({RANGE})()[0] > 800000")
    assert "range=15m" in page.url
    page.locator("canvas").first.dblclick()
    until(page, f"({RANGE})()[1] - ({RANGE})()[0] < 300000")


def test_a_chart_is_zoomed_with_the_keyboard(charted):
    page = charted
    page.locator(".u-chart__area").first.focus()
    page.keyboard.press("+")
    until(page, IS_SHOWN)
    assert length(page) == 450
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("-")
    until(page, IS_SHOWN)
    assert length(page) == 900
    for _ in range(3):
        page.keyboard.press("Escape")
    until(page, f"({RANGE})()[1] > Date.now() - 60000")
    assert "range=15m" in page.url


def test_statuses_are_read_beside_a_chart(charted):
    page = charted
    page.wait_for_selector(".u-strip--thin rect[data-text]")
    strip = page.locator(".u-strip--thin").first
    strip.focus()
    page.keyboard.press("End")
    assert strip.get_attribute("aria-valuetext").startswith("Online")
    assert page.locator("[data-said]").first.text_content().startswith("Online")


def test_a_range_of_ones_own_is_chosen(charted):
    page = charted
    page.get_by_text("From … to …").click()
    page.get_by_label("From").fill("2026-01-01T00:00:00")
    page.get_by_label("To").fill("2026-01-03T00:00:00")
    page.get_by_role("button", name="Show").last.click()
    until(page, IS_SHOWN)
    assert length(page) == 2 * 86400
    assert "start=2026-01-01T00" in page.url
    page.get_by_text("No values in this range").wait_for()


def test_wrong_password_is_told_without_telling_more(visitor):
    page = visitor
    page.goto("/admin/")
    for email in ("a@acme.example", "nobody@acme.example"):
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("E-mail or password is not right").wait_for()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize(
    "path",
    [
        "",
        "robots/robot/",
        "robots/robotcommand/",
        "telemetry/",
        "status-history/",
        "maintenance/maintenancetask/",
        "alerts/alert/",
        "organizations/organization/",
        "organizations/facility/",
        "accounts/user/",
        "accounts/apikey/",
        "accounts/usersession/",
        "audit/auditlog/",
    ],
)
def test_pages_fit_the_screen(page, path, width):
    """No page scrolls sideways, and none logs an error."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/admin/{path}")
    overflow = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_the_code_of_a_link_is_taken_out_of_the_address(visitor):
    visitor.goto("/admin/choose-password/#urfmp_ln_some-code")
    until(visitor, "() => !location.hash")
    field = visitor.get_by_label("Code from the e-mail")
    assert field.input_value() == "urfmp_ln_some-code"
    assert not field.is_visible()
    visitor.locator("input[name=password]").fill("seven quiet green herons")
    visitor.locator("input[name=again]").fill("seven quiet green herons")
    visitor.get_by_role("button", name="Set the password").click()
    visitor.wait_for_selector("text=This link is no longer good")
    assert visitor.get_by_label("Code from the e-mail").is_visible()


@pytest.mark.parametrize(("scheme", "face"), [("light", 250), ("dark", 28)])
def test_the_apis_page_is_dark_where_the_system_is(scheme, face, chromium, served, session):
    with opened(chromium, served, storage_state=session, color_scheme=scheme) as page:
        page.goto("/api/v1/docs")
        page.wait_for_selector(".opblock-summary")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour.startswith(f"rgb({face},")
        written = page.evaluate("getComputedStyle(document.querySelector('.info .title')).color")
        assert (int(re.search(r"\d+", written).group()) > 127) is (scheme == "dark")
