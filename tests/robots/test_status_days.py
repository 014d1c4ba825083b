"""Time in state by local day, against a plain model and over the API."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.robots.selectors.status_intervals import TimeRange, status_days, status_summary
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.time.local import start_of_day

CHANGES = [
    ("Europe/Berlin", date(2025, 10, 24)),
    ("Europe/Berlin", date(2026, 3, 27)),
    ("Asia/Kathmandu", date(2026, 1, 10)),
    ("America/St_Johns", date(2025, 10, 31)),
    ("Australia/Lord_Howe", date(2026, 4, 3)),
    ("Pacific/Apia", date(2026, 1, 10)),
    ("Africa/Casablanca", date(2026, 2, 13)),
]
MINUTES = 4 * 24 * 60
histories = st.dictionaries(
    st.integers(0, MINUTES),
    st.sampled_from(["running", "idle", "error", "maintenance"]),
    max_size=20,
)


def write(robot, history):
    with tenant_transaction(robot.organization_id), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_status_history (time, robot_id, status) VALUES (%s, %s, %s)",
            [(time, robot.pk, status) for time, status in history.items()],
        )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    change=st.sampled_from(CHANGES),
    history=histories,
    minutes=st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES)).filter(
        lambda pair: pair[0] < pair[1]
    ),
)
def test_days_match_the_model(change, history, minutes, organization_a, make_robot, tenant):
    zone = ZoneInfo(change[0])
    origin = start_of_day(change[1], zone)
    start, end = (origin + timedelta(minutes=minute) for minute in minutes)
    changes = {origin + timedelta(minutes=minute): status for minute, status in history.items()}
    robot = make_robot(organization_a)
    with tenant(organization_a), transaction.atomic():
        write(robot, changes)
        found, found_total = status_days([robot.pk], TimeRange(start, end), zone)
        total = status_summary([robot.pk], TimeRange(start, end))
        transaction.set_rollback(True)

    expected: dict[date, dict[str, timedelta]] = defaultdict(lambda: defaultdict(timedelta))
    minute = timedelta(minutes=1)
    time = start
    while time < end:
        known = [status for at, status in sorted(changes.items()) if at <= time]
        if known:
            expected[time.astimezone(zone).date()][known[-1]] += minute
        time += minute
    assert {
        day.start.astimezone(zone).date(): {item.status: item.time for item in summary.statuses}
        for day, summary in found
        if summary.statuses
    } == {day: dict(times) for day, times in expected.items()}
    assert found_total == total
    assert sum((summary.up for _, summary in found), timedelta()) == total.up
    assert sum((summary.whole for _, summary in found), timedelta()) == total.whole


def test_api_returns_days_of_the_plant(alice, client_for, organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        write(robot, {datetime(2026, 3, 20, tzinfo=UTC): "running"})
    address = f"/api/v1/robots/{robot.pk}/status-history/summary"
    query = {"start": "2026-03-28T00:00:00+01:00", "end": "2026-03-31T00:00:00+02:00"}
    client = client_for(alice)

    plain = client.get(address, query).json()
    days = client.get(address, {**query, "bucket": "day", "timezone": "Europe/Berlin"}).json()[
        "days"
    ]
    fleet = client.get("/api/v1/status-history/summary", {**query, "bucket": "day"}).json()["days"]

    assert "days" not in plain
    assert [day["up_seconds"] / 3600 for day in days] == [24, 23, 24]
    assert [day["start"] for day in days][1] == "2026-03-28T23:00:00Z"
    assert [day["up_seconds"] / 3600 for day in fleet] == [1, 24, 24, 22]


@pytest.mark.parametrize(
    "wrong",
    [{"bucket": "hour"}, {"bucket": "day", "timezone": "x"}, {"bucket": "day", "timezone": ""}],
)
def test_api_with_invalid_days_returns_400(alice, client_for, wrong):
    assert client_for(alice).get("/api/v1/status-history/summary", wrong).status_code == 400


def test_api_days_of_the_first_year_return_400(alice, client_for):
    query = {"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z", "bucket": "day"}

    response = client_for(alice).get(
        "/api/v1/status-history/summary", {**query, "timezone": "America/Lima"}
    )

    assert response.status_code == 400
