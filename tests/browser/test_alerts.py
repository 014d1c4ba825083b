"""Alerts in a browser: a rule drawn on a chart, the live inbox, keys, undo and sound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.conftest import opened
from tests.support.browser_waiting import until

REPORT = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.alerts.services.alerts import alert_report
from apps.robots.models import Robot
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    for title in {titles}:
        alert_report(organization_id=o, robot=Robot.objects.first(), type="system",
                     severity="{severity}", title=title, message="m")
"""
EVALUATE = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.alerts.services.rules.evaluation import evaluate_by_clock, evaluate_new_points
o = user_organization_id("a@acme.example")
evaluate_new_points(o)
evaluate_by_clock(o)
"""
# The work of the worker, which this installation does not run.
ROLL_UP = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.telemetry.services.rollups import roll_up
roll_up(user_organization_id("a@acme.example"))
"""
DRAWN = """() => {
    const canvas = document.querySelector("canvas");
    return Boolean(canvas && window.Chart.getChart(canvas)?.data.datasets[0].data.length);
}"""


def report(served, *titles, severity="error"):
    served.manage("shell", "-v0", "-c", REPORT.format(titles=titles, severity=severity))


def titles(page):
    return page.locator("[data-inbox-part=list] .u-rows__title").all_text_contents()


def test_rule_drawn_on_chart_opens_alert_live_in_inbox(page, served, chromium, session):
    now = datetime.now(UTC)
    for minutes, value in ((12, 20.0), (9, 95.0), (8, 21.0), (5, 96.0), (4, 22.0)):
        at = now - timedelta(minutes=minutes)
        assert served.ingest(value, "heat.drawn", [at, at + timedelta(seconds=20)])[0] == 200
    served.manage("shell", "-v0", "-c", ROLL_UP)
    page.goto("/admin/telemetry/?metrics=heat.drawn&range=15m")
    until(page, DRAWN)
    page.locator("[data-rule]").click()
    line = page.get_by_role("slider", name="threshold of the new rule")
    box = line.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] + 40, steps=4)
    page.mouse.up()
    dragged = float(line.get_attribute("aria-valuenow"))
    assert 20 < dragged < 95
    page.keyboard.press("ArrowUp")
    assert float(line.get_attribute("aria-valuenow")) > dragged
    page.get_by_role("spinbutton", name="Threshold").fill("60")
    until(page, 'document.querySelector(".u-ruleline").getAttribute("aria-valuenow") === "60"')
    page.get_by_text("Would have fired 2 times").wait_for()
    page.get_by_label("Title of the alerts").fill("Drawn rule")
    page.get_by_label("Severity").select_option("critical")
    page.get_by_role("button", name="Save rule").click()
    page.get_by_role("link", name="Drawn rule").wait_for()

    page.goto("/admin/alert-inbox/")
    assert "Drawn rule" not in titles(page)
    assert served.ingest(99.0, "heat.drawn")[0] == 200
    page.wait_for_timeout(5500)  # rules wait this long for late points
    served.manage("shell", "-v0", "-c", EVALUATE)
    page.locator("[data-row]", has_text="Drawn rule").wait_for(timeout=10_000)
    until(page, 'document.title.startsWith("(")')
    status = page.locator("[data-alert-announce]")
    until(page, 'document.querySelector("[data-alert-announce]").textContent !== ""')
    assert status.text_content() == "Critical alert: Drawn rule"
    with opened(chromium, served, storage_state=session) as home:
        home.goto("/admin/")
        home.locator("[data-alert-counts]:not([data-count='0'])").wait_for()
        home.get_by_text("Drawn rule").wait_for()


def test_inbox_keys_act_and_undo(page, served):
    report(served, "Key one", "Key two", "Key three")
    page.goto("/admin/alert-inbox/?state=new&severity=error")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")
    rows = page.locator("[data-inbox-part=list] [data-row]")
    count = rows.count()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = rows.first.text_content()
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("a")
    page.get_by_text("1 alert acknowledged.").wait_for()
    assert rows.count() == count - 1
    assert first not in titles(page)
    assert page.evaluate("document.activeElement.hasAttribute('data-row')"), "focus stays in rows"
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_text("2 selected").wait_for()
    page.keyboard.press("s")
    page.get_by_text("2 alerts snoozed.").wait_for()
    page.keyboard.press("u")
    page.get_by_text("Undone: 2 alerts restored.").wait_for()
    # No key acts while a value is typed or chosen.
    page.get_by_label("Assign to").focus()
    page.keyboard.press("e")
    page.wait_for_timeout(300)
    assert rows.count() == count - 1


def test_sound_of_critical_alert_waits_for_permission(page, served):
    page.add_init_script(
        "window.tones = 0; const create = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function () {"
        " window.tones += 1; return create.call(this); };"
    )
    page.goto("/admin/own-notifications/")
    assert page.locator(".u-bell__sound").count() == 0, "off until the user enables it"
    page.get_by_label("Play a sound for new critical alerts").check(force=True)
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()
    page.goto("/admin/profile/")
    page.get_by_role("button", name="The browser blocks the sound").click()
    page.get_by_role("button", name="Sound for critical alerts is on").wait_for()
    until(page, "window.tones === 4")
    page.wait_for_selector("[data-alert-counts]")
    page.wait_for_timeout(1000)
    report(served, "Loud", severity="critical")
    until(page, "window.tones === 8", seconds=10)
    report(served, "Quiet", severity="warning")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.tones") == 8


@pytest.mark.parametrize(
    ("kind", "shown", "hidden"),
    [
        ("metric", ["metric", "threshold", "second_metric"], ["statuses", "count", "seconds"]),
        ("status", ["statuses"], ["metric", "threshold", "second_metric", "count"]),
        ("system", ["system_measure", "threshold_seconds"], ["metric", "statuses"]),
    ],
)
def test_rule_form_shows_fields_of_the_kind(kind, shown, hidden, page):
    page.goto("/admin/alerts/alertrule/add/")
    page.get_by_text("Second comparison").click()
    page.get_by_label("Observe").select_option(kind)
    for name in shown:
        assert page.locator(f".field-line.field-{name}").is_visible(), name
    for name in hidden:
        assert not page.locator(f".field-line.field-{name}").is_visible(), name
