"""Main user journeys in a real browser against real processes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.conftest import opened
from tests.support.browser_waiting import until

LATEST_VALUE = """() => {
    const canvas = document.querySelector("canvas");
    const chart = canvas && window.Chart && window.Chart.getChart(canvas);
    return chart ? chart.data.datasets[0].data.at(-1)?.y ?? null : null;
}"""


def test_chart_receives_live_point(page, served):
    for value in (1.0, 2.0):
        assert served.ingest(value)[0] == 200
    page.goto(f"/admin/robots/robot/{served.robot_id}/")
    until(page, f"({LATEST_VALUE})() !== null")
    page.wait_for_selector("[data-connection]:has-text('Live')")
    assert served.ingest(42.0)[0] == 200
    until(page, f"({LATEST_VALUE})() === 42", seconds=5)


RANGE = """() => {
    const { min, max } = window.Chart.getChart(document.querySelector("canvas")).scales.x;
    return [min, max];
}"""
IS_RANGE_LOADED = """() => {
    const canvas = document.querySelector("canvas");
    const { min, max } = window.Chart.getChart(canvas)?.scales.x ?? {};
    return canvas.dataset.shown === `${Math.round(min)} ${Math.round(max)}`;
}"""


def range_seconds(page):
    start, end = page.evaluate(RANGE)
    return round((end - start) / 1000)


@pytest.fixture
def charted(page, served):
    """Telemetry page with a chart of the values 0 to 9."""
    for value in range(10):
        assert served.ingest(float(value))[0] == 200
    page.goto("/admin/telemetry/?metrics=a&range=15m")
    until(page, f"({LATEST_VALUE})() !== null")
    return page


EXTREMES = {
    "flat.greatest": [1.7e308, 1.7e308],
    "flat.least": [-1.7e308, -1.7e308],
    "both": [1.7e308, -1.7e308],
    "denormal": [5e-324, 2e-323],
    "denormal.flat": [5e-324, 5e-324],
    "mixed": [1.7e308, 5e-324, 1.0],
    "near": [1e16, 1e16 + 2],
}
AXIS_LABELS = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
    const chart = window.Chart.getChart(canvas);
    return chart ? chart.scales.y.ticks.map((tick) => tick.label) : null;
})"""


@pytest.mark.parametrize("metric", EXTREMES)
def test_chart_shows_any_stored_value(metric, page, served):
    name = f"extreme.{metric}"
    for value in EXTREMES[metric]:
        assert served.ingest(value, name)[0] == 200
    page.goto(f"/admin/telemetry/?metrics={name}&range=15m", timeout=10_000)
    until(page, f"({LATEST_VALUE})() !== null", seconds=10)

    (labels,) = page.evaluate(AXIS_LABELS)
    assert len([label for label in labels if label]) >= 2
    assert not any("Infinity" in label or "NaN" in label for label in labels)
    assert "Infinity" not in page.locator("main").inner_text()  # the average of the values
    # The tab still answers, and live points are drawn.
    assert served.ingest(EXTREMES[metric][0], name)[0] == 200
    page.keyboard.press("Tab")
    assert page.evaluate("1 + 1") == 2


def test_chart_connects_slow_points_beside_fast_ones(page, served):
    """Points every minute are a line although most points of the range are 1 s apart."""
    now = datetime.now(UTC)
    slow = [now - timedelta(minutes=15 + number) for number in range(10, 0, -1)]
    alone = [now - timedelta(seconds=300)]
    fast = [now - timedelta(seconds=number) for number in range(120, 0, -1)]
    assert served.ingest(1.0, "rate.changes", [*slow, *alone, *fast])[0] == 200
    page.goto("/admin/telemetry/?metrics=rate.changes&range=1h")
    until(page, f"({LATEST_VALUE})() !== null")
    drawn = page.evaluate(
        """() => window.Chart.getChart(document.querySelector("canvas")).data.datasets[0].data
        .map(({ y, isAlone }) => (Number.isNaN(y) ? " " : isAlone ? "o" : "-")).join("")"""
    )
    assert re.fullmatch(f"-{{{len(slow)}}} o -{{10,}}", drawn)


def test_chart_zooms_by_dragging_and_undoes(charted):
    page = charted
    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 80, steps=4)
    page.mouse.up()
    until(page, IS_RANGE_LOADED)
    assert 180 < range_seconds(page) < 270
    assert "range=custom" in page.url
    assert "start=" in page.url

    page.reload()
    until(page, IS_RANGE_LOADED)
    assert 180 < range_seconds(page) < 270, "the URL contains the range"

    page.get_by_role("link", name="15 min").click()
    until(page, f"({RANGE})()[1] - ({RANGE})()[0] > 800000")
    assert "range=15m" in page.url
    page.locator("canvas").first.dblclick()
    until(page, f"({RANGE})()[1] - ({RANGE})()[0] < 300000")


def test_chart_zooms_with_keyboard(charted):
    page = charted
    page.locator(".u-chart__area").first.focus()
    page.keyboard.press("+")
    until(page, IS_RANGE_LOADED)
    assert range_seconds(page) == 450
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("-")
    until(page, IS_RANGE_LOADED)
    assert range_seconds(page) == 900
    for _ in range(3):
        page.keyboard.press("Escape")
    until(page, f"({RANGE})()[1] > Date.now() - 60000")
    assert "range=15m" in page.url


def test_chart_timeline_is_readable_with_keyboard(charted):
    page = charted
    page.wait_for_selector(".u-timeline--thin rect[data-text]")
    timeline = page.locator(".u-timeline--thin").first
    timeline.focus()
    page.keyboard.press("End")
    assert timeline.get_attribute("aria-valuetext").startswith("Online")
    assert page.locator("[data-description]").first.text_content().startswith("Online")


def test_custom_range_is_selected(charted):
    page = charted
    page.get_by_text("Custom range").click()
    page.get_by_label("From", exact=True).fill("2026-01-01T00:00:00")
    page.get_by_label("To", exact=True).fill("2026-01-03T00:00:00")
    page.get_by_role("button", name="Show").last.click()
    until(page, IS_RANGE_LOADED)
    assert range_seconds(page) == 2 * 86400
    assert "start=2026-01-01T00" in page.url
    page.get_by_text("No values in this range").wait_for()


def test_login_with_wrong_password_reveals_nothing(visitor):
    page = visitor
    page.goto("/admin/")
    for email in ("a@acme.example", "nobody@acme.example"):
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Wrong e-mail or password").wait_for()


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
def test_page_fits_the_screen(page, path, width):
    """No page scrolls horizontally or logs an error."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/admin/{path}")
    overflow = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


def test_link_token_is_removed_from_url(visitor):
    visitor.goto("/admin/choose-password/#urfmp_ln_some-code")
    until(visitor, "() => !location.hash")
    field = visitor.get_by_label("Code from the e-mail")
    assert field.input_value() == "urfmp_ln_some-code"
    assert not field.is_visible()
    visitor.locator("input[name=password]").fill("seven quiet green herons")
    visitor.locator("input[name=password2]").fill("seven quiet green herons")
    visitor.get_by_role("button", name="Set password").click()
    visitor.wait_for_selector("text=This link is invalid")
    assert visitor.get_by_label("Code from the e-mail").is_visible()


@pytest.mark.parametrize(("scheme", "face"), [("light", 250), ("dark", 28)])
def test_api_docs_follow_system_dark_mode(scheme, face, chromium, served, session):
    with opened(chromium, served, storage_state=session, color_scheme=scheme) as page:
        page.goto("/api/v1/docs")
        page.wait_for_selector(".opblock-summary")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour.startswith(f"rgb({face},")
        written = page.evaluate("getComputedStyle(document.querySelector('.info .title')).color")
        assert (int(re.search(r"\d+", written).group()) > 127) is (scheme == "dark")
