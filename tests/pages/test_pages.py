from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.robots.models import Robot
from apps.telemetry.services.pending_work import batches_add_stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot_url():
    return lambda robot: reverse("admin:robot_page", args=[robot.pk])


def test_home_shows_the_fleet_and_nobody_elses(fleet, alice, sign_in):
    page = sign_in(alice).get("/admin/").content.decode()

    for text in ("open robot", "open hall", "open alert", "open task", "Hottest motor", "42"):
        assert text in page
    assert "secret" not in page


def test_home_takes_at_most_12_queries_for_any_number_of_robots(fleet, alice, sign_in, make_robot):
    client = sign_in(alice)
    client.get("/admin/")
    for _ in range(10):
        make_robot(fleet.a.organization)

    with CaptureQueriesContext(connection) as queries:
        client.get("/admin/")

    # The test's own transaction around the request's makes savepoints out of it.
    asked = [q["sql"] for q in queries.captured_queries if "SAVEPOINT" not in q["sql"]]
    assert len(asked) <= 12


def test_home_of_an_empty_organization(charlie, sign_in):
    response = sign_in(charlie).get("/admin/")

    assert b"No robot is in service yet." in response.content


def test_a_custom_role_without_rights_sees_an_empty_home(fleet, make_user, sign_in):
    nobody = make_user(fleet.a.organization, "custom")

    page = sign_in(nobody).get("/admin/").content.decode()

    assert "open robot" not in page
    assert "open alert" not in page


def test_robot_page_shows_its_state(fleet, alice, sign_in, robot_url):
    page = sign_in(alice).get(robot_url(fleet.a.robot)).content.decode()

    for text in ("open robot", "open alert", "open task", "Temperatures", "42", "C1"):
        assert text in page
    assert f'data-robot-id="{fleet.a.robot.pk}"' in page
    assert 'name="urfmp-live"' in page


def test_robot_page_of_another_organization_gets_404(fleet, alice, sign_in, robot_url):
    client = sign_in(alice)

    foreign = client.get(robot_url(fleet.b.robot))
    missing = client.get(reverse("admin:robot_page", args=[uuid4()]))

    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


def test_robot_page_takes_few_queries(
    fleet, alice, sign_in, robot_url, django_assert_max_num_queries
):
    client = sign_in(alice)
    client.get(robot_url(fleet.a.robot))

    with django_assert_max_num_queries(14):
        client.get(robot_url(fleet.a.robot))


def test_robot_page_without_telemetry(fleet, alice, sign_in, robot_url, make_robot):
    robot = make_robot(fleet.a.organization)

    response = sign_in(alice).get(robot_url(robot))

    assert b"has not sent any telemetry yet" in response.content


def test_telemetry_page_offers_the_robots_metrics(fleet, alice, sign_in):
    page = sign_in(alice).get(f"/admin/telemetry/?robot={fleet.a.robot.pk}&metrics=current.total")
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
        "range=own",
        "range=own&start=2026-01-02T00:00&end=2026-01-01T00:00",
        "range=own&start=x&end=y",
        "range=century",
        "metrics=no.such",
        "unit=parsec",
        "unit=K&unit=Cel",
        "find=temperature",
        "layout=together",
    ],
)
def test_telemetry_page_bears_any_query(fleet, alice, sign_in, query):
    assert sign_in(alice).get(f"/admin/telemetry/?{query}").status_code == 200


def test_telemetry_page_does_not_take_another_organizations_robot(fleet, alice, sign_in):
    text = sign_in(alice).get(f"/admin/telemetry/?robot={fleet.b.robot.pk}").content.decode()

    assert str(fleet.b.robot.pk) not in text


def test_telemetry_page_adds_a_robot_by_its_name(fleet, alice, sign_in, make_robot):
    client = sign_in(alice)
    second = make_robot(fleet.a.organization, name="Second robot", serial_number="SN-2")
    first = f"/admin/telemetry/?robot={fleet.a.robot.pk}"

    for words in ("second robot", "sn-2", "econd"):
        answer = client.get(f"{first}&add={words}")
        assert answer.status_code == 302
        page = client.get(answer["Location"])
        assert [robot.pk for robot in page.context["robots"]] == [fleet.a.robot.pk, second.pk]


@pytest.mark.parametrize("words", ["secret robot", "nobody"])
def test_telemetry_page_says_that_there_is_no_such_robot(fleet, alice, sign_in, words):
    page = sign_in(alice).get("/admin/telemetry/", {"add": words}, follow=True)

    assert f"There is no robot named “{words}”." in page.content.decode()
    assert [robot.pk for robot in page.context["robots"]] == [fleet.a.robot.pk]


def test_telemetry_page_shows_values_in_another_unit(fleet, alice, sign_in):
    page = sign_in(alice).get("/admin/telemetry/", {"unit": "[degF]"})

    (line,) = page.context["charts"][0].lines
    assert (line.unit, line.factor, line.offset) == ("°F", 1.8, 32.0)


def test_robot_page_shows_values_in_another_unit(fleet, alice, sign_in, robot_url):
    page = sign_in(alice).get(robot_url(fleet.a.robot), {"unit": "[degF]"}).content.decode()

    assert 'data-factor="1.8" data-offset="32.0">108</span>' in page
    assert "°F" in page


def test_pages_of_a_robot_with_very_many_metrics_stay_small(
    fleet, alice, sign_in, robot_url, inside
):
    with inside(fleet.a.organization), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " SELECT now(), %s, 'sensor.' || n || '.reading', n FROM generate_series(1, 3000) AS n",
            [fleet.a.robot.pk],
        )
        now = timezone.now()
        batches_add_stored([fleet.a.robot.pk], start=now - timedelta(minutes=1), end=now)
    client = sign_in(alice)

    for path in (robot_url(fleet.a.robot), f"/admin/telemetry/?robot={fleet.a.robot.pk}"):
        page = client.get(path)
        assert len(page.content) < 200_000
        assert "Hottest motor" in page.content.decode() or "Temperatures" in page.content.decode()
    found = client.get(f"/admin/telemetry/?robot={fleet.a.robot.pk}&find=2999")
    assert 'value="sensor.2999.reading"' in found.content.decode()


def test_own_range_is_read_in_the_organizations_timezone(fleet, alice, sign_in):
    query = "range=own&start=2026-01-01T12:00&end=2026-01-01T13:00"

    text = sign_in(alice).get(f"/admin/telemetry/?{query}").content.decode()

    assert "2026-01-01T12:00:00+01:00" in text
    assert 'content="Europe/Berlin"' in text


def test_status_history_shows_changes(fleet, alice, sign_in, inside):
    with inside(fleet.a.organization):
        Robot.objects.filter(pk=fleet.a.robot.pk).update(status="running")

    page = sign_in(alice).get(f"/admin/status-history/?robot={fleet.a.robot.pk}").content.decode()

    assert "Running" in page
    assert "secret" not in page
    assert 'fill="url(#status-running)"' in page


def test_status_history_adds_a_facility_up(fleet, alice, sign_in, make_robot):
    make_robot(fleet.a.organization, name="elsewhere")
    client = sign_in(alice)

    hall = client.get("/admin/status-history/?facility=open hall")
    everything = client.get("/admin/status-history/")
    foreign = client.get("/admin/status-history/?facility=secret hall")

    assert [robot.name for robot, _ in hall.context["strips"]] == ["open robot"]
    assert [robot.name for robot, _ in everything.context["strips"]] == ["elsewhere", "open robot"]
    assert len(foreign.context["strips"]) == 2
    assert hall.context["summary"].availability == 0.0
    shares = [row.percent for row in hall.context["rows"]]
    assert sum(shares) == pytest.approx(100)


def test_status_history_takes_few_queries(
    fleet, alice, sign_in, make_robot, django_assert_max_num_queries
):
    for _ in range(30):
        make_robot(fleet.a.organization)
    client = sign_in(alice)
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
        "range=own",
        "range=own&start=2026-01-01T00:00&end=2026-01-02T00:00",
        "range=own&start=2001-01-01T00:00&end=2026-01-02T00:00",
        "range=own&start=2190-01-01T00:00&end=2190-01-02T00:00",
    ],
)
def test_status_history_bears_any_query(fleet, alice, sign_in, query):
    assert sign_in(alice).get(f"/admin/status-history/?{query}").status_code == 200


def test_status_history_turns_pages(fleet, alice, sign_in, inside):
    with inside(fleet.a.organization):
        for number in range(60):
            status = "running" if number % 2 else "idle"
            Robot.objects.filter(pk=fleet.a.robot.pk).update(status=status)
    client = sign_in(alice)

    first = client.get("/admin/status-history/")
    older = client.get(f"/admin/status-history/?{first.context['older']}")

    assert len(first.context["changes"]) == 50
    assert len(older.context["changes"]) == 11
    assert not older.context["older"]


@pytest.mark.parametrize("path", ["/admin/telemetry/", "/admin/status-history/", "/admin/"])
def test_pages_ask_strangers_to_sign_in(db, client, path):
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("path", ["/admin/telemetry/", "/admin/status-history/"])
def test_pages_refuse_roles_without_the_right(fleet, make_user, sign_in, path):
    nobody = make_user(fleet.a.organization, "custom")

    assert sign_in(nobody).get(path).status_code == 403


def test_search_finds_own_rows_alone(fleet, alice, sign_in):
    client = sign_in(alice)

    found = client.get("/admin/search/?extended=1&s=robot").content.decode()

    assert "open robot" in found
    assert "secret" not in found


def test_a_very_large_fleet_is_added_up_page_by_page(
    fleet, alice, sign_in, make_robot, monkeypatch
):
    from urfmp.pages.views import status_history

    for number in range(3):
        make_robot(fleet.a.organization, name=f"robot {number}")
    monkeypatch.setattr(status_history, "_ADDED_UP", 2)
    monkeypatch.setattr(status_history, "_STRIPS", 2)

    page = sign_in(alice).get("/admin/status-history/?page=2")

    assert len(page.context["strips"]) == page.context["added_up"] == 2
    assert "2 of 4 robots" in page.content.decode()
    assert "Choose a facility" in page.content.decode()
