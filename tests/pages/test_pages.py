from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.robots.models import Robot
from apps.telemetry.services.pending_work import pending_work_enqueue_stored
from tests.support.platform import enter
from tests.support.statements import request_statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot_url():
    return lambda robot: reverse("admin:robot_page", args=[robot.pk])


def test_home_shows_only_own_fleet(fleet, alice, client_for):
    page = client_for(alice).get("/admin/").content.decode()

    for text in ("open robot", "open hall", "open alert", "open task", "Hottest motor", "42"):
        assert text in page
    assert "secret" not in page


def test_home_query_count_is_independent_of_fleet_size(fleet, alice, client_for, make_robot):
    client = client_for(alice)
    client.get("/admin/")
    for _ in range(10):
        make_robot(fleet.a.organization)

    with CaptureQueriesContext(connection) as queries:
        client.get("/admin/")

    executed = request_statements(queries)
    assert len(executed) <= 12


def test_home_without_robots_shows_empty_state(charlie, client_for):
    response = client_for(charlie).get("/admin/")

    assert b"No robots in service yet." in response.content


def test_home_without_permissions_is_empty(fleet, make_user, client_for):
    user = make_user(fleet.a.organization, "custom")

    page = client_for(user).get("/admin/").content.decode()

    assert "open robot" not in page
    assert "open alert" not in page
    for false_statement in ("No open alerts", "No tasks are due", "No robots", "0</span> of"):
        assert false_statement not in page
    assert "Your role does not include alerts and maintenance." in page
    assert "Your role does not include robots." in page


def test_robot_page_without_permissions_hides_panels(fleet, make_user, client_for, robot_url):
    user = make_user(fleet.a.organization, "custom", permissions=["robot.view"])

    page = client_for(user).get(robot_url(fleet.a.robot)).content.decode()

    assert "open robot" in page
    for false_statement in (
        "No open alerts", "No open tasks", "has not sent any",
    ):  # fmt: skip
        assert false_statement not in page
    assert "Your role does not include telemetry." in page


def test_home_of_super_admin_shows_organizations_with_counts(fleet, root, client_for, tenant):
    with tenant(fleet.a.organization):
        Robot.objects.filter(pk=fleet.a.robot.pk).update(status="running")

    response = client_for(root).get("/admin/")

    rows = {row.organization.pk: row for row in response.context["organizations"]}
    own = rows[fleet.a.organization.pk]
    assert (own.organization.robot_count, own.connected, own.open_alerts) == (1, 1, 1)
    assert rows[fleet.b.organization.pk].open_alerts == 1
    page = response.content.decode()
    assert fleet.a.organization.name in page
    assert "of <span" not in page


def test_home_of_super_admin_shows_robots_of_entered_organization(fleet, root, client_for):
    client = enter(client_for(root), fleet.a.organization)

    assert "open robot" in client.get("/admin/").content.decode()


def test_fleet_of_platform_is_denied_to_others(fleet, alice, tenant):
    denied = pytest.raises(ProgrammingError)
    with tenant(fleet.a.organization), connection.cursor() as cursor, denied, transaction.atomic():
        cursor.execute("SELECT * FROM platform_fleet()")


def test_robot_page_shows_status_alerts_and_tasks(fleet, alice, client_for, robot_url):
    page = client_for(alice).get(robot_url(fleet.a.robot)).content.decode()

    for text in ("open robot", "open alert", "open task", "Temperatures", "42", "C1"):
        assert text in page
    assert f'data-robot-id="{fleet.a.robot.pk}"' in page
    assert 'name="urfmp-live"' in page


def test_robot_page_of_other_organization_gets_404(fleet, alice, client_for, robot_url):
    client = client_for(alice)

    foreign = client.get(robot_url(fleet.b.robot))
    missing = client.get(reverse("admin:robot_page", args=[uuid4()]))

    assert foreign.status_code == missing.status_code == 404

    def page(response):
        return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]*"', b"", response.content)

    assert page(foreign) == page(missing)


def test_robot_page_query_count(fleet, alice, client_for, robot_url, django_assert_max_num_queries):
    client = client_for(alice)
    client.get(robot_url(fleet.a.robot))

    with django_assert_max_num_queries(15):
        client.get(robot_url(fleet.a.robot))


def test_robot_page_without_telemetry_shows_empty_state(
    fleet, alice, client_for, robot_url, make_robot
):
    robot = make_robot(fleet.a.organization)

    response = client_for(alice).get(robot_url(robot))

    assert b"has no telemetry." in response.content


def test_telemetry_page_offers_metrics_of_robot(fleet, alice, client_for):
    page = client_for(alice).get(
        f"/admin/telemetry/?robot={fleet.a.robot.pk}&metrics=current.total"
    )
    text = page.content.decode()

    assert "open robot" in text
    assert "secret" not in text
    assert 'value="current.total" checked' in text
    assert 'data-title="Supply currents"' in text


@pytest.mark.parametrize(
    "query",
    [
        "robot=nonsense",
        "robot=00000000-0000-0000-0000-000000000000",
        "range=custom",
        "range=custom&start=2026-01-02T00:00&end=2026-01-01T00:00",
        "range=custom&start=x&end=y",
        "range=century",
        "metrics=no.such",
        "unit=parsec",
        "unit=K&unit=Cel",
        "find=temperature",
        "layout=combined",
    ],
)
def test_telemetry_page_with_invalid_query_returns_200(fleet, alice, client_for, query):
    assert client_for(alice).get(f"/admin/telemetry/?{query}").status_code == 200


def test_telemetry_page_ignores_robot_of_other_organization(fleet, alice, client_for):
    text = client_for(alice).get(f"/admin/telemetry/?robot={fleet.b.robot.pk}").content.decode()

    assert str(fleet.b.robot.pk) not in text


def test_telemetry_page_adds_robot_by_name(fleet, alice, client_for, make_robot):
    client = client_for(alice)
    second = make_robot(fleet.a.organization, name="Second robot", serial_number="SN-2")
    first = f"/admin/telemetry/?robot={fleet.a.robot.pk}"

    for words in ("second robot", "sn-2", "econd"):
        answer = client.get(f"{first}&add={words}")
        assert answer.status_code == 302
        page = client.get(answer["Location"])
        assert [robot.pk for robot in page.context["robots"]] == [fleet.a.robot.pk, second.pk]


@pytest.mark.parametrize("words", ["secret robot", "missing"])
def test_telemetry_page_with_unknown_robot_shows_message(fleet, alice, client_for, words):
    page = client_for(alice).get("/admin/telemetry/", {"add": words}, follow=True)

    assert f"No robot matches “{words}”." in page.content.decode()
    assert [robot.pk for robot in page.context["robots"]] == [fleet.a.robot.pk]


def test_telemetry_page_converts_units(fleet, alice, client_for):
    page = client_for(alice).get("/admin/telemetry/", {"unit": "[degF]"})

    (line,) = page.context["charts"][0].lines
    assert (line.unit, line.factor, line.offset) == ("°F", 1.8, 32.0)


def test_robot_page_converts_units(fleet, alice, client_for, robot_url):
    page = client_for(alice).get(robot_url(fleet.a.robot), {"unit": "[degF]"}).content.decode()

    assert 'data-factor="1.8" data-offset="32.0">108</span>' in page
    assert "°F" in page


def test_pages_of_robot_with_many_metrics_stay_small(fleet, alice, client_for, robot_url, tenant):
    with tenant(fleet.a.organization), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " SELECT now(), %s, 'sensor.' || n || '.reading', n FROM generate_series(1, 3000) AS n",
            [fleet.a.robot.pk],
        )
        now = timezone.now()
        pending_work_enqueue_stored([fleet.a.robot.pk], start=now - timedelta(minutes=1), end=now)
    client = client_for(alice)

    for path in (robot_url(fleet.a.robot), f"/admin/telemetry/?robot={fleet.a.robot.pk}"):
        page = client.get(path)
        assert len(page.content) < 200_000
        assert "Hottest motor" in page.content.decode() or "Temperatures" in page.content.decode()
    found = client.get(f"/admin/telemetry/?robot={fleet.a.robot.pk}&find=2999")
    assert 'value="sensor.2999.reading"' in found.content.decode()


def test_custom_range_uses_organization_timezone(fleet, alice, client_for):
    query = "range=custom&start=2026-01-01T12:00&end=2026-01-01T13:00"

    text = client_for(alice).get(f"/admin/telemetry/?{query}").content.decode()

    assert "2026-01-01T11:00:00+00:00" in text
    assert 'content="Europe/Berlin"' in text


def test_status_history_shows_changes(fleet, alice, client_for, tenant):
    with tenant(fleet.a.organization):
        Robot.objects.filter(pk=fleet.a.robot.pk).update(status="running")

    page = (
        client_for(alice).get(f"/admin/status-history/?robot={fleet.a.robot.pk}").content.decode()
    )

    assert "Running" in page
    assert "secret" not in page
    assert 'fill="url(#status-running)"' in page


def test_status_history_filters_by_facility(fleet, alice, client_for, make_robot):
    make_robot(fleet.a.organization, name="elsewhere")
    client = client_for(alice)

    hall = client.get("/admin/status-history/?facility=open hall")
    everything = client.get("/admin/status-history/")
    foreign = client.get("/admin/status-history/?facility=secret hall")

    assert [strip.robot.name for strip in hall.context["strips"]] == ["open robot"]
    assert [strip.robot.name for strip in everything.context["strips"]] == [
        "elsewhere",
        "open robot",
    ]
    assert len(foreign.context["strips"]) == 2
    assert hall.context["summary"].availability == 0.0
    shares = [row.share for row in hall.context["status_times"]]
    assert sum(shares) == pytest.approx(1)


def test_status_history_query_count(
    fleet, alice, client_for, make_robot, django_assert_max_num_queries
):
    for _ in range(30):
        make_robot(fleet.a.organization)
    client = client_for(alice)
    client.get("/admin/status-history/")

    with django_assert_max_num_queries(16):
        client.get("/admin/status-history/")


@pytest.mark.parametrize(
    "query",
    [
        "robot=x",
        "status=x",
        "range=x",
        "before=x",
        "facility=x",
        "page=x",
        "range=1y",
        "range=custom",
        "range=custom&start=2026-01-01T00:00&end=2026-01-02T00:00",
        "range=custom&start=2001-01-01T00:00&end=2026-01-02T00:00",
        "range=custom&start=2190-01-01T00:00&end=2190-01-02T00:00",
    ],
)
def test_status_history_with_invalid_query_returns_200(fleet, alice, client_for, query):
    assert client_for(alice).get(f"/admin/status-history/?{query}").status_code == 200


def test_status_history_paginates_changes(fleet, alice, client_for, tenant):
    with tenant(fleet.a.organization):
        for number in range(60):
            status = "running" if number % 2 else "idle"
            Robot.objects.filter(pk=fleet.a.robot.pk).update(status=status)
    client = client_for(alice)

    first = client.get("/admin/status-history/")
    older = client.get(f"/admin/status-history/?{first.context['older_query']}")

    assert len(first.context["changes"]) == 50
    assert len(older.context["changes"]) == 11
    assert not older.context["older_query"]


@pytest.mark.parametrize("path", ["/admin/telemetry/", "/admin/status-history/", "/admin/"])
def test_anonymous_is_redirected_to_login(db, client, path):
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("path", ["/admin/telemetry/", "/admin/status-history/"])
def test_role_without_permission_gets_403(fleet, make_user, client_for, path):
    user = make_user(fleet.a.organization, "custom")

    assert client_for(user).get(path).status_code == 403


def test_search_finds_only_own_rows(fleet, alice, client_for):
    client = client_for(alice)

    found = client.get("/admin/search/?extended=1&s=robot").content.decode()

    assert "open robot" in found
    assert "secret" not in found


def test_status_history_of_large_fleet_summarizes_page_only(
    fleet, alice, client_for, make_robot, monkeypatch
):
    from urfmp.pages.views import status_history

    for number in range(3):
        make_robot(fleet.a.organization, name=f"robot {number}")
    monkeypatch.setattr(status_history, "_MAX_ROBOTS_SUMMARIZED", 2)
    monkeypatch.setattr(status_history, "_TIMELINES_PER_PAGE", 2)

    page = client_for(alice).get("/admin/status-history/?page=2")

    assert len(page.context["strips"]) == page.context["summarized_count"] == 2
    assert "2 of 4 robots" in page.content.decode()
    assert "Choose a facility" in page.content.decode()
