from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.alerts.models import Alert
from apps.robots.models import Robot
from tests.support.statements import request_statements

pytestmark = pytest.mark.django_db

TABS = ("overview", "telemetry", "work", "history")


@pytest.fixture
def robot_url():
    return lambda robot, page="robot_page": reverse(f"admin:{page}", args=[robot.pk])


@pytest.mark.parametrize("tab", TABS)
def test_tab_shows_header_and_marks_itself(tab, fleet, alice, client_for, robot_url):
    page = client_for(alice).get(robot_url(fleet.a.robot), {"tab": tab}).content.decode()

    assert f'data-robot-id="{fleet.a.robot.pk}"' in page
    assert f'aria-current="page">{tab.capitalize()}</a>' in page
    assert page.count('aria-current="page"') == 1
    for label in ("Report a problem", "Plan work", "Settings"):
        assert label in page


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("overview", ("open alert", "open task", "Hottest motor", "Status in the last 24 hours")),
        ("telemetry", ("Hottest motor", "Temperatures", "Supply currents")),
        ("work", ("open task", "No completed tasks yet.")),
        ("history", ("Status in the last 7 days", "Status changes", "No commands yet.")),
    ],
)
def test_tab_shows_its_part(tab, shown, fleet, alice, client_for, robot_url):
    page = client_for(alice).get(robot_url(fleet.a.robot), {"tab": tab}).content.decode()

    for text in shown:
        assert text in page
    assert "secret" not in page


@pytest.mark.parametrize("tab", TABS)
def test_tab_query_count(tab, fleet, alice, client_for, robot_url):
    client = client_for(alice)
    client.get(robot_url(fleet.a.robot), {"tab": tab})

    with CaptureQueriesContext(connection) as queries:
        client.get(robot_url(fleet.a.robot), {"tab": tab})

    executed = request_statements(queries)
    assert len(executed) <= 12


def test_unknown_tab_shows_overview(fleet, alice, client_for, robot_url):
    page = client_for(alice).get(robot_url(fleet.a.robot), {"tab": "no-such"})

    assert page.context["tab"] == "overview"


def test_tabs_of_role_without_permission_are_hidden(fleet, make_user, client_for, robot_url):
    user = make_user(fleet.a.organization, "custom", permissions=["robot.view"])

    response = client_for(user).get(robot_url(fleet.a.robot), {"tab": "telemetry"})

    page = response.content.decode()
    assert response.context["tab"] == "overview"
    for absent in (">Telemetry</a>", ">Work</a>", "Report a problem", "Plan work"):
        assert absent not in page


def test_settings_tab_is_the_form_with_header(fleet, alice, client_for, robot_url):
    client = client_for(alice)

    page = client.get(robot_url(fleet.a.robot), {"tab": "settings"}, follow=True).content.decode()

    assert 'aria-current="page">Settings</a>' in page
    assert f'data-robot-id="{fleet.a.robot.pk}"' in page
    assert 'name="serial_number"' in page


def test_overview_shows_at_most_four_charts(
    fleet, alice, client_for, robot_url, make_points
):  # fmt: skip
    for name in ("battery.charge", "power.total", "voltage.supply", "cycle.count"):
        make_points(fleet.a.organization, fleet.a.robot, name, [1.0, 2.0], "1")
    client = client_for(alice)

    overview = client.get(robot_url(fleet.a.robot))
    everything = client.get(robot_url(fleet.a.robot), {"tab": "telemetry"})

    assert len(overview.context["charts"]) == 4
    assert len(everything.context["charts"]) == 4 + overview.context["hidden_charts"]
    assert "more chart" in overview.content.decode()


def test_report_opens_alert_and_counts_up(fleet, alice, client_for, robot_url, tenant):
    url = robot_url(fleet.a.robot, "robot_report_page")
    client = client_for(alice)
    form = {"title": "Gripper loses parts", "severity": "warning", "message": "Since 8:00."}

    first = client.post(url, form)
    second = client.post(url, form)

    assert first["Location"] == second["Location"] == robot_url(fleet.a.robot)
    with tenant(fleet.a.organization):
        alert = Alert.objects.get(title="Gripper loses parts")
        assert (alert.robot_id, alert.source, alert.occurrences) == (fleet.a.robot.pk, "user", 2)


@pytest.mark.parametrize("field", ["title", "message", "severity"])
def test_report_without_field_shows_error(field, fleet, alice, client_for, robot_url, tenant):
    form = {"title": "Gripper", "severity": "warning", "message": "Since 8:00.", field: ""}

    response = client_for(alice).post(robot_url(fleet.a.robot, "robot_report_page"), form)

    assert response.status_code == 400
    assert f'id="id_{field}_error"' in response.content.decode()
    with tenant(fleet.a.organization):
        assert not Alert.objects.filter(title="Gripper").exists()


def test_report_of_retired_robot_shows_reason(fleet, alice, client_for, robot_url, tenant):
    with tenant(fleet.a.organization):
        Robot.objects.filter(pk=fleet.a.robot.pk).update(is_active=False)
    form = {"title": "Gripper", "severity": "warning", "message": "Since 8:00."}

    response = client_for(alice).post(robot_url(fleet.a.robot, "robot_report_page"), form)

    assert response.status_code == 400
    assert "retired" in response.content.decode()


def test_report_of_other_organization_gets_404(fleet, alice, client_for, robot_url):
    assert client_for(alice).get(robot_url(fleet.b.robot, "robot_report_page")).status_code == 404
