"""Key figures of maintenance against a model in plain Python."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.services.users import system_user_get
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.figures import (
    FigureScope,
    TaskSummary,
    Work,
    maintenance_figures,
)
from apps.robots.selectors.status_intervals import TimeRange
from tests.support.statements import request_statements
from urfmp.pages.selectors.maintenance.figure_events import FigureEvents, figure_events

pytestmark = pytest.mark.django_db
URL = "/admin/maintenance/figures/"
# The clock goes forward on 9 March 2025, in the period.
NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2025, 2, 20), date(2025, 4, 3)
START = datetime(2025, 2, 20, tzinfo=NEW_YORK).astimezone(UTC)
END = datetime(2025, 4, 4, tzinfo=NEW_YORK).astimezone(UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
UNPLANNED = ("corrective", "emergency")
PLACES = 4  # three robots, and none


@dataclass(frozen=True)
class Sample:
    """A task as plain values; times are hours since the start of the period."""

    place: int
    type: str
    status: str
    created: int
    due: int | None
    lasts: int
    minutes: int | None
    cost: Decimal | None

    @property
    def created_at(self):
        return START + self.created * HOUR

    @property
    def due_at(self):
        return None if self.due is None else START + self.due * HOUR

    @property
    def ended_at(self):
        is_ended = self.status in {"completed", "requires_approval"}
        return self.created_at + self.lasts * HOUR if is_ended else None

    @property
    def completed_at(self):
        return self.ended_at if self.status == "completed" else None


hours = st.integers(-200, 1100)
samples = st.builds(
    Sample,
    place=st.integers(0, PLACES - 1),
    type=st.sampled_from(["preventive", "cleaning", *UNPLANNED]),
    status=st.sampled_from(
        ["completed", "completed", "cancelled", "overdue", "pending", "requires_approval"]
    ),
    created=hours,
    due=st.none() | hours,
    lasts=st.integers(0, 300),
    minutes=st.none() | st.integers(0, 900),
    cost=st.none() | st.decimals(0, 5000, places=2),
)
# Hours at which each robot begins to run, and the hours that it runs.
runs = st.lists(st.tuples(st.integers(-100, 1000), st.integers(1, 50)), max_size=4)


def in_period(moment):
    return moment is not None and START <= moment < END


class Model:
    """The figures, computed task by task."""

    def __init__(self, tasks, now, places):
        self.tasks = [task for task in tasks if task.place in places]
        self.now = now
        self.work = [self._work(task) for task in self.tasks]

    def _work(self, task):
        is_planned = task.type not in UNPLANNED
        is_failure = not is_planned and in_period(task.created_at) and task.status != "cancelled"
        is_done = in_period(task.completed_at)
        minutes = (task.minutes or 0) if is_done else 0
        return Work(
            failures=int(is_failure),
            restored=int(is_failure and task.ended_at is not None),
            restoration=(
                task.lasts * HOUR if is_failure and task.ended_at is not None else timedelta()
            ),
            planned=int(is_done and is_planned),
            unplanned=int(is_done and not is_planned),
            planned_minutes=minutes if is_planned else 0,
            unplanned_minutes=0 if is_planned else minutes,
            cost=(task.cost or Decimal(0)) if is_done else Decimal(0),
        )

    def total(self, place=None):
        chosen = [
            work
            for work, task in zip(self.work, self.tasks, strict=True)
            if place in {None, task.place}
        ]
        return sum(chosen, Work())

    def months(self):
        found = {}
        for task in self.tasks:
            if in_period(task.completed_at):
                month = task.completed_at.astimezone(NEW_YORK).date().replace(day=1)
                found[month] = found.get(month, Decimal(0)) + (task.cost or 0)
        return found

    def due(self):
        return [
            task
            for task in self.tasks
            if task.type not in UNPLANNED and in_period(task.due_at) and task.status != "cancelled"
        ]

    def on_time(self):
        return [
            task
            for task in self.due()
            if task.completed_at is not None
            and task.completed_at.astimezone(NEW_YORK).date()
            <= task.due_at.astimezone(NEW_YORK).date()
        ]

    def ages(self):
        return [
            self.now - task.due_at
            for task in self.tasks
            if task.due_at is not None and task.status not in {"completed", "cancelled"}
        ]


def running_time(intervals):
    """Return the time in which a robot runs in the period; overlaps count once."""
    seen = {
        hour
        for begin, length in intervals
        for hour in range(begin, begin + length)
        if START <= START + hour * HOUR < END
    }
    return len(seen) * HOUR


def store_status(robot, intervals):
    """Write the status history of a robot that runs in the intervals and else is idle."""
    running = {hour for begin, length in intervals for hour in range(begin, begin + length)}
    changes = sorted(hour for hour in running if hour - 1 not in running)
    ends = sorted(hour + 1 for hour in running if hour + 1 not in running)
    rows = [(hour, "running") for hour in changes] + [(hour, "idle") for hour in ends]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_status_history (time, robot_id, status) VALUES (%s, %s, %s)",
            [(START + hour * HOUR, robot.pk, status) for hour, status in sorted(rows)],
        )


def store_tasks(organization, tasks, robots):
    author = system_user_get(organization_id=organization.pk)
    MaintenanceTask.objects.bulk_create(
        MaintenanceTask(
            organization=organization,
            robot=robots[task.place] if task.place < len(robots) else None,
            title="t",
            type=task.type,
            status=task.status,
            created_by=author,
            created_at=task.created_at,
            due_at=task.due_at,
            finished_at=task.ended_at,
            completed_at=task.completed_at,
            actual_duration=task.minutes,
            cost=task.cost,
        )
        for task in tasks
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tasks=st.lists(samples, max_size=12),
    running=st.tuples(runs, runs, runs),
    places=st.sampled_from([(0, 1, 2, 3), (1,), (0, 2)]),
)
def test_figures_equal_the_model(organization_a, alice, make_robot, tenant, tasks, running, places):
    with tenant(organization_a), transaction.atomic():
        robots = [make_robot(organization_a) for _ in range(3)]
        for robot, intervals in zip(robots, running, strict=True):
            store_status(robot, intervals)
        store_tasks(organization_a, tasks, robots)
        check(alice, tasks, running, places, robots)
        transaction.set_rollback(True)  # the next example begins without rows


def check(user, tasks, running, places, robots):
    now = timezone.now()
    scope = FigureScope(
        robot_ids=tuple(robots[place].pk for place in places if place < 3),
        has_other_tasks=3 in places,
        span=TimeRange.of(START, END),
        now=now,
        zone=NEW_YORK,
    )
    model = Model(tasks, now, places)
    figures = maintenance_figures(user, scope)

    assert figures.total.work == model.total()
    for place in places:
        if place < 3:
            found = figures.robots[robots[place].pk]
            assert found.work == model.total(place)
            assert found.running == running_time(running[place])
    assert dict(figures.months) == model.months()
    due, on_time, ages = model.due(), model.on_time(), model.ages()
    assert (figures.due, figures.on_time, figures.overdue) == (len(due), len(on_time), len(ages))
    assert figures.max_age == (max(ages) if ages else None)
    if ages:
        assert abs(figures.mean_age - sum(ages, timedelta()) / len(ages)) < timedelta(seconds=1)
    hours_run = sum((running_time(running[p]) for p in places if p < 3), timedelta()) / HOUR
    failed = sum(model.total(p).failures for p in places if p < 3)
    between = figures.of_robots.mean_time_between_failures
    assert between == (timedelta(hours=hours_run) / failed if failed else None)
    cost = sum((model.total(p).cost for p in places if p < 3), Decimal(0))
    per_hour = figures.of_robots.cost_per_running_hour
    assert per_hour == (cost / Decimal(hours_run) if hours_run else None)

    # Each number is that of the tasks behind it.
    counts = {
        FigureEvents.FAILURES: model.total().failures,
        FigureEvents.PLANNED: model.total().planned,
        FigureEvents.UNPLANNED: model.total().unplanned,
        FigureEvents.ON_TIME: len(on_time),
        FigureEvents.LATE: len(due) - len(on_time),
        FigureEvents.OVERDUE: len(ages),
    }
    for kind, count in counts.items():
        assert figure_events(user, scope, kind).total == count, kind
    shown = figure_events(user, scope, FigureEvents.COST).tasks
    assert sum((task.cost for task in shown), Decimal(0)) == model.total().cost


@pytest.fixture
def robot(organization_a, make_robot, make_facility):
    make_facility(organization_a, "Hall 1", timezone="America/New_York")
    return make_robot(organization_a, name="=Welder", location={"facility": "Hall 1"})


@pytest.fixture
def filled(organization_a, robot, tenant):
    """A failure that was repaired in 5 hours, and an overdue cleaning."""
    tasks = [
        Sample(0, "corrective", "completed", 10, 20, 5, 90, Decimal("120.50")),
        Sample(0, "cleaning", "pending", 10, 30, 0, None, None),
    ]
    with tenant(organization_a):
        store_status(robot, [(0, 20)])
        store_tasks(organization_a, tasks, [robot])


PERIOD = {"from": FIRST.isoformat(), "to": LAST.isoformat()}


def test_page_shows_figures_and_the_tasks_behind_them(filled, alice, client_for):
    client = client_for(alice)
    page = client.get(URL, {**PERIOD, "facility": "Hall 1", "show": "failures"})
    text = page.content.decode()
    assert page.context["figures"].total.work.failures == 1
    assert "20 h" in text  # MTBF
    assert "5 h" in text  # MTTR
    assert "120.50" in text
    assert "6.03" in text or "6.02" in text  # per running hour
    assert "America/New_York" in text
    assert [task.type for task in page.context["events"].tasks] == ["corrective"]
    assert page.context["events"].tasks[0].title == "t"


def test_csv_has_the_row_of_each_robot(filled, robot, alice, client_for):
    response = client_for(alice).get(URL, {**PERIOD, "format": "csv"})
    assert response["Content-Type"].startswith("text/csv")
    (row,) = csv.DictReader(StringIO(response.content.decode()))
    assert row["robot"] == "'=Welder"  # no formula
    assert (row["failures"], row["running_hours"], row["mtbf_hours"], row["mttr_hours"]) == (
        "1", "20.00", "20.00", "5.00",
    )  # fmt: skip
    assert (row["cost"], row["tasks_ever"], row["completed_ever"], row["cost_ever"]) == (
        "120.50", "2", "1", "120.50",
    )  # fmt: skip


def test_summary_is_that_of_the_view(filled, robot, organization_a, alice, tenant):
    with tenant(organization_a):
        scope = FigureScope((robot.pk,), False, TimeRange.of(START, END), timezone.now(), UTC)
        summary = maintenance_figures(alice, scope).summaries[robot.pk]
    assert summary == TaskSummary(2, 1, 0, Decimal("120.50"), Decimal(90))


def test_other_organization_sees_no_figures(filled, robot, organization_b, make_user, client_for):
    client = client_for(make_user(organization_b, "admin"))
    page = client.get(URL, {**PERIOD, "robot": str(robot.pk), "show": "failures"})
    assert page.context["figures"].total.work == Work()
    assert page.context["events"].tasks == []
    assert "Welder" not in page.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"from": "x", "to": "y"},
        {"from": "2025-03-02", "to": "2025-03-01"},
        {"from": "0001-01-01", "to": "2025-03-01"},
        {"from": "2025-03-01", "to": "9999-12-31"},
        {"from": "2001-03-01", "to": "2025-03-01"},
        {"from": "2190-03-01", "to": "2190-03-02"},
        {"from": "2025-03-01"},
    ],
)
def test_invalid_days_are_explained(query, alice, client_for):
    page = client_for(alice).get(URL, query)
    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()


@pytest.mark.parametrize(
    "query", [{"robot": "x"}, {"facility": "none"}, {"show": "x"}, {"period": "x"}]
)
def test_invalid_filters_are_ignored(query, filled, alice, client_for):
    assert client_for(alice).get(URL, query).context["figures"] is not None


@pytest.mark.parametrize("preset", ["month", "last-month", "90d", "12m"])
def test_presets_are_periods_of_local_days(preset, alice, client_for):
    days = client_for(alice).get(URL, {"period": preset}).context["days"]
    assert days.first <= days.last
    assert (days.preset, days.error) == (preset, "")


def test_query_count(filled, alice, client_for):
    client = client_for(alice)
    client.get(URL)
    with CaptureQueriesContext(connection) as queries:
        client.get(URL, {**PERIOD, "show": "failures"})
    executed = request_statements(queries)
    assert len(executed) <= 12
