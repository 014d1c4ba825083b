"""The main journeys, in a real browser against real processes."""

from __future__ import annotations

import pytest

NEWEST = """() => {
    const canvas = document.querySelector("canvas");
    const chart = canvas && window.Chart && window.Chart.getChart(canvas);
    return chart ? chart.data.datasets[0].data.at(-1)?.y ?? null : null;
}"""


def test_a_chart_receives_a_new_point(page, served):
    for value in (1.0, 2.0):
        assert served.ingest(value)[0] == 200
    page.goto(f"/admin/robots/robot/{served.robot_id}/")
    page.wait_for_function(f"({NEWEST})() !== null")
    page.wait_for_selector("[data-connection]:has-text('Live')")
    assert served.ingest(42.0)[0] == 200
    page.wait_for_function(f"({NEWEST})() === 42", timeout=5000)


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
