"""Pages of alert rules."""

from __future__ import annotations

import pytest

from apps.alerts.models import Alert, AlertRule
from apps.telemetry.services.rollups import roll_up

pytestmark = pytest.mark.django_db
ADD = "/admin/alerts/alertrule/add/"
FORM = {
    "name": "Hot", "kind": "metric", "severity": "warning", "is_enabled": "on",
    "scope": "organization", "metric": "temperature", "measure": "value", "comparison": ">",
    "threshold": "80", "clear": "75", "for_seconds": "0", "keep_firing_seconds": "0",
    "grace_seconds": "5", "reopen_seconds": "300", "match": "all",
}  # fmt: skip


def test_form_creates_and_changes_rule_without_json(organization_a, alice, client_for, tenant):
    client = client_for(alice)
    assert client.get(ADD).status_code == 200
    step = {"step_severity": "critical", "step_value": "95", "step_after_seconds": "600"}
    window = {"days": ["1", "5"], "start": "06:00", "end": "22:00"}
    second = {
        "second_metric": "program.running", "second_measure": "no_data", "second_seconds": "30",
    }  # fmt: skip
    answer = client.post(ADD, {**FORM, **step, **window, **second, "match": "any"})
    assert answer.status_code == 302, answer.context["adminform"].errors
    with tenant(organization_a):
        rule = AlertRule.objects.get()
    assert rule.condition == {
        "clauses": [
            {"metric": "temperature", "threshold": 80.0, "clear": 75.0},
            {"metric": "program.running", "measure": "no_data", "seconds": 30},
        ],
        "match": "any",
        "severities": [{"severity": "critical", "after_seconds": 600, "value": 95.0}],
        "windows": [{"days": [1, 5], "start": "06:00", "end": "22:00"}],
    }
    url = f"/admin/alerts/alertrule/{rule.pk}/change/"
    page = client.get(url)
    initial = page.context["adminform"].form.initial
    assert (initial["second_metric"], initial["step_value"]) == ("program.running", 95.0)
    assert client.post(url, {**FORM, "threshold": "85"}).status_code == 302
    with tenant(organization_a):
        rule.refresh_from_db()
    assert rule.condition == {
        "clauses": [{"metric": "temperature", "threshold": 85.0, "clear": 75.0}]
    }
    assert b"temperature is above 85" in client.get("/admin/alerts/alertrule/").content


def test_form_ignores_fields_of_other_kinds(organization_a, alice, client_for, tenant):
    """Without a script all fields are shown; what those of other kinds contain does not matter."""
    other = {"kind": "status", "statuses": ["error"], "threshold": "no number", "metric": "No name"}
    step = {"step_severity": "error", "step_after_seconds": "60", "step_value": "95"}
    answer = client_for(alice).post(ADD, {**FORM, **other, **step})
    assert answer.status_code == 302, answer.context["adminform"].errors
    with tenant(organization_a):
        condition = AlertRule.objects.get().condition
    assert condition == {
        "statuses": ["error"],
        "severities": [{"severity": "error", "after_seconds": 60}],
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clear": "90"}, "must not lie above the threshold"),
        ({"metric": "Not a metric"}, "lower-case letters"),
        ({"threshold": ""}, "This field is required"),
        ({"days": ["1"]}, "Enter when the rule applies"),
        ({"metric": ""}, "This field is required"),
        ({"kind": "status"}, "Select a status"),
        ({"kind": "command"}, "This field is required"),
        ({"kind": "security", "events": []}, "This field is required"),
        ({"kind": "system", "system_measure": "queue_age"}, "This field is required"),
        ({"no_data": "alert"}, "This field is required"),
        ({"kind": "system", "scope": "model", "model": "UR5"}, "observe the whole organization"),
        ({"scope": "facility"}, "This field is required"),
        ({"step_severity": "info", "step_value": "3"}, "must have a higher severity"),
    ],
)
def test_form_shows_what_is_wrong(values, message, alice, client_for, organization_a, tenant):
    answer = client_for(alice).post(ADD, {**FORM, **values})
    assert answer.status_code == 200
    assert message in answer.content.decode()
    with tenant(organization_a):
        assert not AlertRule.objects.exists()


def test_preview_page_counts_and_draws_episodes(plant, alice, client_for):
    plant.send((0, 90.0), (10, 70.0), (20, 90.0), (30, 70.0))
    roll_up(plant.organization.id)
    client = client_for(alice)
    page = client.post("/admin/alerts/alertrule/preview/", FORM).content.decode()
    assert "Would have fired 2 times" in page
    assert "1 of 1 robot in the scope tried" in page
    assert page.count("u-timeline__firing") == 1
    plant.rule()
    assert client.post("/admin/alerts/alertrule/preview/", FORM).context["preview"].count == 2
    page = client.post("/admin/alerts/alertrule/preview/", {**FORM, "clear": "90"})
    assert "must not lie above the threshold" in page.content.decode()
    assert client.get("/admin/alerts/alertrule/preview/").status_code == 405


def test_pages_show_robots_for_which_a_rule_fires(plant, alice, client_for):
    rule = plant.rule()
    plant.send((0, 90.0))
    client = client_for(alice)
    assert "1 robot" in client.get("/admin/alerts/alertrule/").content.decode()
    page = client.get(f"/admin/alerts/alertrule/{rule.pk}/change/").content.decode()
    assert plant.robot.name in page
    assert 'data-value="firing"' in page
    assert client.post(f"/admin/alerts/alertrule/{rule.pk}/act/disable/").status_code == 302
    assert [alert[2] for alert in plant.alerts()] == ["resolved"]


def test_viewer_sees_rules_and_cannot_change_or_try_them(bob, client_for, plant):
    rule = plant.rule()
    client = client_for(bob)
    assert client.get("/admin/alerts/alertrule/").status_code == 200
    assert client.get(f"/admin/alerts/alertrule/{rule.pk}/change/").status_code == 200
    assert client.get(ADD).status_code == 403
    assert client.post("/admin/alerts/alertrule/preview/", FORM).status_code == 403


def test_form_creates_rule_on_status_and_rejects_taken_name(
    organization_a, alice, client_for, tenant
):
    client = client_for(alice)
    status = {
        "name": "In error", "kind": "status", "statuses": ["error"], "for_seconds": "120",
        "severity": "error", "scope": "organization", "is_enabled": "on", "reopen_seconds": "300",
        "keep_firing_seconds": "0",
    }  # fmt: skip
    assert client.post(ADD, status).status_code == 302
    with tenant(organization_a):
        rule = AlertRule.objects.get()
    assert rule.condition == {"statuses": ["error"], "for_seconds": 120}
    again = client.post(ADD, status)
    assert "A rule of this name for these robots exists already" in again.content.decode()
    page = client.get("/admin/alerts/alertrule/").content.decode()
    assert "Status is error for 2 min" in page


def test_alert_of_a_rule_links_to_chart_rule_and_task(plant, alice, bob, client_for):
    rule = plant.rule()
    plant.send((0, 90.0))
    with plant.tenant(plant.organization):
        alert = Alert.objects.get()
    url = f"/admin/alerts/alert/{alert.pk}/change/"
    page = client_for(alice).get(url)
    text = page.content.decode()
    assert f"/admin/alerts/alertrule/{rule.pk}/change/" in text
    assert client_for(alice).get(page.context["chart_url"]).status_code == 200
    task = client_for(alice).get(page.context["task_url"])
    assert task.context["adminform"].form.initial["title"] == "Hot"
    assert "Create task" not in client_for(bob).get(url).content.decode()


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        (
            {"kind": "command", "outcomes": ["failed"], "count": "3", "within_seconds": "600"},
            {"outcomes": ["failed"], "count": 3, "within_seconds": 600},
        ),
        (
            {"kind": "security", "events": ["failed_login", "access_denied"], "count": "5"},
            {"events": ["failed_login", "access_denied"], "count": 5},
        ),
        (
            {"kind": "system", "system_measure": "queue_age", "threshold_seconds": "60"},
            {"measure": "queue_age", "threshold_seconds": 60},
        ),
        (
            {"no_data": "resolve", "no_data_seconds": "90", "clear": ""},
            {
                "clauses": [{"metric": "temperature", "threshold": 80.0}],
                "no_data": "resolve",
                "no_data_seconds": 90,
            },
        ),
    ],
)
def test_form_creates_rules_of_other_kinds(
    organization_a, alice, client_for, tenant, values, condition
):
    client = client_for(alice)
    answer = client.post(ADD, {**FORM, **values})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with tenant(organization_a):
        rule = AlertRule.objects.get()
    assert rule.condition == condition
    page = client.get(f"/admin/alerts/alertrule/{rule.pk}/change/")
    initial = page.context["adminform"].form.initial
    for name, value in condition.items():
        if name not in {"clauses", "measure"}:
            assert initial[name] == value
    assert client.get("/admin/alerts/alertrule/").status_code == 200
