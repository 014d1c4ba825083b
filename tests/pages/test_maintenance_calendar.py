"""The maintenance calendar against a model in plain Python."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, time, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.services.users import system_user_get
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.planner import schedules_open_due_tasks
from apps.maintenance.services.schedules import schedule_create
from apps.maintenance.services.tasks import task_cancel, task_create, task_update
from apps.organizations.services.organizations import organization_update
from tests.support.statements import request_statements
from urfmp.pages.selectors.maintenance.calendar import calendar_days
from urfmp.pages.selectors.maintenance.entries import CalendarFilter, task_version
from urfmp.pages.selectors.maintenance.periods import CalendarView, period_of

pytestmark = pytest.mark.django_db
URL = "/admin/maintenance/calendar/"
BERLIN = ZoneInfo("Europe/Berlin")
# The clock goes forward on 29 March and back on 25 October 2026.
SUMMER_TIME = date(2026, 3, 29)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


@pytest.fixture
def in_berlin(organization_a, tenant):
    with tenant(organization_a):
        organization_update(organization_a, settings={"timezone": "Europe/Berlin"})


def shown(client, now=NOW, **query):
    """Return the titles and clocks of each day that has entries."""
    with patch.object(timezone, "now", lambda: now):
        response = client.get(URL, query)
    assert response.status_code == 200
    cells = response.context["cells"]
    return {
        cell.date: [
            *((entry.at, entry.task.title, entry.is_late) for entry in cell.day.tasks),
            *((entry.at, entry.schedule.title, entry.robots) for entry in cell.day.planned),
        ]
        for cell in cells
        if not cell.day.is_empty
    }


@pytest.mark.parametrize("view", CalendarView.values)
@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 12, 31), date(2026, 3, 1)])
def test_periods_follow_each_other_without_gaps(view, day):
    period = period_of(CalendarView(view), day)

    assert day in period.days
    assert [b - a for a, b in zip(period.days, period.days[1:], strict=False)] == [
        timedelta(days=1)
    ] * (len(period.days) - 1)
    after = period_of(CalendarView(view), period.next)
    assert after.days[0] <= period.days[-1] + timedelta(days=1)
    assert period_of(CalendarView(view), after.previous).days == period.days


moments = st.datetimes(datetime(2026, 3, 26), datetime(2026, 4, 2))  # noqa: DTZ001


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    times=st.lists(st.tuples(st.none() | moments, st.none() | moments, st.booleans()), max_size=7)
)
def test_each_day_shows_its_own_tasks_across_daylight_saving(
    organization_a, alice, in_berlin, tenant, times
):
    period = period_of(CalendarView.WEEK, date(2026, 3, 25))
    expected: dict[date, list[tuple[datetime, str]]] = {}
    with tenant(organization_a):
        MaintenanceTask.objects.all().delete()
        for number, (scheduled, due, is_cancelled) in enumerate(times):
            instants = [value and value.replace(tzinfo=UTC) for value in (scheduled, due)]
            task = task_create(
                organization_id=organization_a.pk, created_by=alice, title=f"T{number}",
                type="cleaning", scheduled_at=instants[0], due_at=instants[1],
            )  # fmt: skip
            if is_cancelled:
                task_cancel(task, "no")
            elif at := instants[0] or instants[1]:
                expected.setdefault(at.astimezone(BERLIN).date(), []).append((at, task.title))
        days, _ = calendar_days(alice, period, BERLIN, CalendarFilter())

    for day, found in zip(period.days, days, strict=True):
        assert sorted((entry.at, entry.task.title) for entry in found.tasks) == sorted(
            expected.get(day, [])
        )
        assert found.task_count == len(expected.get(day, []))


def test_planned_dates_keep_their_clock_and_follow_the_open_task(
    organization_a, make_facility, make_robot, alice, client_for, in_berlin, tenant
):
    make_facility(organization_a, "Tokyo", timezone="Asia/Tokyo")
    robot = make_robot(organization_a, vendor="abb", model="M", name="One")
    make_robot(organization_a, vendor="abb", model="M", location={"facility": "Tokyo"})
    fields = {"organization_id": organization_a.pk, "starts_on": date(2026, 3, 1)}
    with tenant(organization_a):
        author = system_user_get(organization_id=organization_a.pk)
        schedule_create(
            created_by=author, title="Weekly", type="cleaning", vendor="abb", model="M",
            frequency="weekly", weekdays=["sunday"], lead_days=0, time_of_day=time(2, 30), **fields,
        )  # fmt: skip
        schedule_create(
            created_by=author, title="Floating", type="inspection", robot=robot,
            frequency="monthly", calendar_anchor="floating", lead_days=0, **fields,
        )  # fmt: skip
        schedules_open_due_tasks(organization_id=organization_a.pk, now=NOW)
    found = shown(client_for(alice), view="month", date="2026-04-01")
    sundays = [date(2026, 4, day) for day in (5, 12, 19, 26)]
    for day in sundays:  # 02:30 in Tokyo is the evening before in Berlin
        assert (datetime.combine(day, time(2, 30), BERLIN), "Weekly", 1) in found[day]
    march = shown(client_for(alice), view="week", date="2026-03-29")
    # The clock skips 02:30 in Berlin; RFC 5545 takes the offset before the gap.
    assert march[SUMMER_TIME][0][0].astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert march[date(2026, 3, 28)] == [(datetime(2026, 3, 28, 17, 30, tzinfo=UTC), "Weekly", 1)]
    all_titles = [title for entries in found.values() for _, title, _ in entries]
    assert all_titles.count("Floating") == 1  # its later dates depend on the work

    with tenant(organization_a):
        late = NOW + timedelta(days=10)
        schedules_open_due_tasks(organization_id=organization_a.pk, now=late)
    opened = shown(client_for(alice), late, view="month", date="2026-03-01")
    # The open task replaces all dates up to now, and is late.
    assert [row[1:] for row in opened[date(2026, 3, 22)]] == [("Weekly", True)]
    assert SUMMER_TIME not in opened
    in_tokyo = shown(client_for(alice), view="month", date="2026-04-01", facility="Tokyo")
    assert set(in_tokyo) <= {*sundays, date(2026, 3, 29), date(2026, 5, 3)}


def test_filters_choose_facility_user_and_type(
    organization_a, make_facility, make_robot, make_user, alice, client_for, tenant, in_berlin
):
    make_facility(organization_a, "Hall 1")
    robot = make_robot(organization_a, location={"facility": "Hall 1"})
    worker = make_user(organization_a, "technician")
    at = datetime(2026, 3, 25, 9, tzinfo=UTC)
    rows = {
        "A": {"robot": robot, "type": "cleaning", "assigned_to": worker},
        "B": {"type": "cleaning"},
        "C": {"type": "inspection", "assigned_to": worker},
    }
    with tenant(organization_a):
        for title, fields in rows.items():
            task_create(
                organization_id=organization_a.pk, created_by=alice, title=title, due_at=at,
                **fields,
            )  # fmt: skip

    def titles(client, **query):
        found = shown(client, date="2026-03-25", **query)
        return "".join(sorted(row[1] for rows in found.values() for row in rows))

    client = client_for(alice)
    assert titles(client) == "ABC"
    assert titles(client, facility="Hall 1") == "A"
    assert titles(client, type="cleaning") == "AB"
    assert titles(client, assignee=str(worker.pk)) == "AC"
    assert titles(client, assignee="none") == "B"
    assert titles(client_for(worker), assignee="me") == "AC"
    assert titles(client, assignee="me", facility="Hall 1") == ""
    # Values that the page does not offer are ignored.
    assert titles(client, assignee="x", facility="y", type="z", view="w") == "ABC"
    assert client.get(URL, {"date": "9999-99-99"}).status_code == 200
    assert client.get(URL, {"date": "0001-01-01"}).status_code == 200


def test_calendar_shows_no_task_of_another_organization(
    organization_b, charlie, make_task, bob, client_for
):
    make_task(organization_b, charlie, title="secret", due_at=timezone.now())
    assert "secret" not in client_for(bob).get(URL).content.decode()


@pytest.fixture
def task(organization_a, alice, make_task, in_berlin):
    at = datetime(2026, 3, 27, 9, 30, tzinfo=BERLIN)
    return make_task(organization_a, alice, title="Grease", scheduled_at=at)


def move(client, task, day, version=None):
    address = reverse("admin:task_move_page", args=[task.pk])
    body = {"day": day, "version": version or task_version(task), "back": f"{URL}?view=week"}
    return client.post(address, body)


def test_move_keeps_the_time_of_day_and_the_own_due_time(
    organization_a, alice, client_for, tenant, task, make_task
):
    client = client_for(alice)
    response = move(client, task, "2026-03-30")

    assert (response.status_code, response["location"]) == (302, f"{URL}?view=week")
    with tenant(organization_a):
        task.refresh_from_db()
    assert task.scheduled_at == datetime(2026, 3, 30, 9, 30, tzinfo=BERLIN) == task.due_at
    due = datetime(2026, 4, 10, 8, tzinfo=UTC)
    other = make_task(organization_a, alice, due_at=due)
    assert move(client, other, "2026-04-02").status_code == 302
    with tenant(organization_a):
        other.refresh_from_db()
    assert (other.scheduled_at, other.due_at) == (due - timedelta(days=8), due)


def test_move_of_a_task_that_changed_shows_the_conflict(
    organization_a, alice, client_for, tenant, task
):
    version = task_version(task)
    with tenant(organization_a):
        task_update(task, scheduled_at=datetime(2026, 3, 31, 9, 30, tzinfo=BERLIN))
    response = move(client_for(alice), task, "2026-04-01", version)

    assert response.status_code == 412
    assert "It is now planned for 31 Mar 2026, 09:30." in response.content.decode()
    with tenant(organization_a):
        task.refresh_from_db()
    assert task.scheduled_at.day == 31
    again = response.context["form"].initial["version"]
    assert move(client_for(alice), task, "2026-04-01", again).status_code == 302


@pytest.mark.parametrize("day", ["", "1999-12-31", "2100-01-01", "x", "2026-02-30"])
def test_move_to_an_invalid_day_is_rejected(alice, client_for, task, day):
    assert move(client_for(alice), task, day).status_code == 400


def test_closed_task_cannot_be_moved(organization_a, alice, client_for, tenant, task):
    with tenant(organization_a):
        task = task_cancel(task, "no")
        task.refresh_from_db()
    response = move(client_for(alice), task, "2026-04-01")
    assert response.status_code == 409
    assert "A task that is cancelled cannot be changed." in response.content.decode()


def test_move_leads_back_to_the_calendar_only(alice, client_for, task):
    body = {"day": "2026-03-30", "version": task_version(task)}
    address = reverse("admin:task_move_page", args=[task.pk])
    for back in ("https://evil.example/", "//evil.example", "/admin/logout/"):
        response = client_for(alice).get(address, {"back": back})
        assert response.context["back"] == URL
    assert client_for(alice).post(address, {**body, "back": "//evil.example"})["location"] == URL


def test_calendar_of_many_tasks_is_small_with_few_queries(
    organization_a, alice, client_for, tenant, in_berlin, make_robot
):
    make_robot(organization_a)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO maintenance_tasks (organization_id, robot_id, title, type, status,
                                           scheduled_at, due_at, created_by)
            SELECT %(organization)s, (SELECT id FROM robots), 'A task with a long title ' || n,
                   'cleaning', (ARRAY['completed', 'scheduled', 'in_progress'])[1 + n %% 3],
                   at, at, %(user)s
            FROM generate_series(1, 2200) AS n, LATERAL (
                SELECT timestamptz '2026-02-20' + n * interval '50 minutes' AS at WHERE n <= 1200
                UNION ALL
                SELECT timestamptz '2026-03-21' + n * interval '10 seconds' WHERE n > 1200
            ) AS t
            """,
            {"organization": organization_a.pk, "user": alice.pk},
        )
        author = system_user_get(organization_id=organization_a.pk)
        for number in range(30):
            schedule_create(
                organization_id=organization_a.pk, created_by=author, title=f"S{number}",
                type="cleaning", vendor="universal_robots", model="UR3", frequency="daily",
                starts_on=date(2026, 3, 1), lead_days=0,
            )  # fmt: skip
        schedules_open_due_tasks(organization_id=organization_a.pk, now=NOW)
    client = client_for(alice)
    client.get(URL)
    for view in CalendarView.values:
        with (
            patch.object(timezone, "now", lambda: NOW),
            CaptureQueriesContext(connection) as queries,
        ):
            page = client.get(URL, {"view": view, "date": "2026-03-21"})
        statements = request_statements(queries)
        assert len(statements) <= 12, statements
        assert len(page.content) < 300_000, (view, len(page.content))
        assert len(gzip.compress(page.content)) < 150_000
        day = next(cell.day for cell in page.context["cells"] if cell.date == date(2026, 3, 21))
        assert day.is_uncounted
        assert day.planned_count == 30
        assert day.more == 1_000 + 30 - len(day.tasks) - len(day.planned)
