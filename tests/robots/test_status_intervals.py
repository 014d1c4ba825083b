"""Time in state and timelines against a plain model, and over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.robots.choices import RobotStatus
from apps.robots.exceptions import InvalidRangeError
from apps.robots.models import RobotStatusHistory
from apps.robots.selectors.availability import (
    DOWN,
    STATUS_SEVERITY,
    UP,
    StatusSummary,
    TimeInStatus,
)
from apps.robots.selectors.status_intervals import (
    TimeRange,
    status_intervals,
    status_summaries,
    status_summary,
)

ORIGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
statuses = st.sampled_from(RobotStatus.values)
# Microseconds after the origin, up to 40 days: three chunks, spells from zero to weeks.
offsets = st.one_of(
    st.integers(0, 40 * 86400).map(lambda seconds: seconds * 1_000_000),
    st.integers(0, 40 * 86400 * 1_000_000),
    st.integers(0, 5),
)
histories = st.dictionaries(offsets, statuses, max_size=25)
ranges = st.tuples(offsets, offsets).filter(lambda pair: pair[0] != pair[1]).map(sorted)


def at(microseconds):
    return ORIGIN + timedelta(microseconds=microseconds)


def model(history, start, end):
    """Return [(status, begins, ends)] of a history; an unknown status is empty."""
    changes = sorted(history.items())
    before = [status for time, status in changes if time <= start]
    walk = [(start, before[-1] if before else ""), *(c for c in changes if start < c[0] < end)]
    ends = [time for time, _ in walk[1:]] + [end]
    spells = [(status, time, stop) for (time, status), stop in zip(walk, ends, strict=True)]
    return [spell for spell in spells if spell[0] or spell[1] < spell[2]]


def totals(spells):
    times: dict[str, int] = {}
    for status, begins, ends in spells:
        times[status] = times.get(status, 0) + ends - begins
    return times


@pytest.fixture
def write(organization_a, tenant):
    def rows(robot, history):
        with tenant(organization_a), connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO robot_status_history (time, robot_id, status) VALUES (%s, %s, %s)",
                [(at(time), robot.pk, status) for time, status in history.items()],
            )

    return rows


@pytest.fixture
def pair(organization_a, make_robot):
    return make_robot(organization_a), make_robot(organization_a)


def micro(delta):
    return delta // timedelta(microseconds=1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=histories, second=histories, span=ranges)
@example(first={0: "idle"}, second={}, span=[0, 1])
@example(first={5: "idle", 0: "offline"}, second={1: "error"}, span=[5, 10])
def test_summary_and_segments_match_model(first, second, span, pair, organization_a, tenant, write):
    start, end = span
    expected = [model(first, start, end), model(second, start, end)]
    with tenant(organization_a), transaction.atomic():
        for robot, history in zip(pair, (first, second), strict=True):
            write(robot, history)
        asked = TimeRange.of(at(start), at(end))
        ids = [robot.pk for robot in pair]
        together = status_summary(ids, asked)
        each = status_summaries(ids, asked)
        segments = status_intervals(ids, asked)
        few = status_intervals(ids, asked, max_intervals=6)
        transaction.set_rollback(True)

    for robot, spells in zip(pair, expected, strict=True):
        summary, wanted = each[robot.pk], totals(spells)
        assert {item.status: micro(item.time) for item in summary.statuses} == {
            status: time for status, time in wanted.items() if status
        }
        assert micro(summary.unknown) == wanted.get("", 0)
        assert micro(summary.up) == sum(wanted.get(status, 0) for status in UP)
        assert micro(summary.down) == sum(wanted.get(status, 0) for status in DOWN)
        assert [
            (item.status, micro(item.start - ORIGIN), micro(item.end - ORIGIN))
            for item in segments[robot.pk]
        ] == spells
        check_merged(few[robot.pk], spells)
    both = totals([*expected[0], *expected[1]])
    assert {item.status: micro(item.time) for item in together.statuses} == {
        status: time for status, time in both.items() if status
    }
    assert micro(together.whole) == 2 * (end - start)
    up, lost = micro(together.up), micro(together.down)
    assert together.availability == (up / (up + lost) if up + lost else None)


def check_merged(segments, spells):
    """Segments have no gaps or overlaps, and show the most severe status."""
    assert len(segments) <= 7
    edges = [(micro(s.start - ORIGIN), micro(s.end - ORIGIN)) for s in segments]
    assert edges[0][0] == spells[0][1]
    assert edges[-1][1] == spells[-1][2]
    assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert sum(s.spells for s in segments) == len(spells)
    left = list(spells)
    for segment in segments:
        merged = [left.pop(0) for _ in range(segment.spells)]
        if merged[0][0]:
            times = totals(merged)
            assert list(segment.statuses) == sorted(times, key=lambda name: (-times[name], name))
            assert segment.status == min(times, key=STATUS_SEVERITY.index)


def test_every_status_is_in_one_group():
    assert UP | DOWN | {RobotStatus.MAINTENANCE} == set(RobotStatus)
    assert not UP & DOWN
    assert set(STATUS_SEVERITY) == set(RobotStatus)


def test_availability_formula():
    hours = [("running", 6), ("idle", 1), ("charging", 1), ("error", 1), ("offline", 1)]
    summary = StatusSummary(
        14 * HOUR,
        [TimeInStatus(s, n * HOUR, 1) for s, n in [*hours, ("maintenance", 2)]],
    )

    assert summary.availability == pytest.approx(0.8)
    assert summary.availability_with_maintenance == pytest.approx(8 / 12)
    assert (summary.maintenance, summary.unknown) == (2 * HOUR, 2 * HOUR)
    assert StatusSummary(HOUR).availability is None


def test_range_is_cut_to_now(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    now = timezone.now()
    with tenant(organization_a):
        span = TimeRange.of(now - HOUR, now + HOUR)
        summary = status_summary([robot.pk], span)

    assert span.end - now < timedelta(minutes=1)
    assert summary.whole == span.length == summary.unknown + summary.down


@pytest.mark.parametrize(
    ("start", "end"), [(HOUR, HOUR), (HOUR, 2 * HOUR), (-HOUR, -2 * HOUR), (800 * 24 * HOUR, HOUR)]
)
def test_invalid_range_raises(start, end):
    now = timezone.now()
    with pytest.raises(InvalidRangeError):
        TimeRange.of(now - start, now - end)


@pytest.fixture
def plant(organization_a, make_robot, make_facility, tenant, write):
    """Hall 1 with a robot that was up for three of four hours, and another robot elsewhere."""
    make_facility(organization_a, "Hall 1")
    make_facility(organization_a, "Hall 2")
    here = make_robot(organization_a, location={"facility": "Hall 1"})
    there = make_robot(organization_a, location={"facility": "Hall 2"})
    hour = 3_600_000_000
    with tenant(organization_a):
        write(here, {-hour: "running", hour: "error", 2 * hour: "idle"})
        write(there, {-hour: "offline"})
    return SimpleNamespace(here=here, there=there, organization=organization_a)


SPAN = "start=2026-03-01T00:00:00Z&end=2026-03-01T04:00:00Z"


def test_api_returns_summary_of_robot(plant, bob, client_for):
    url = f"/api/v1/robots/{plant.here.pk}/status-history/summary?{SPAN}"

    response = client_for(bob).get(url).json()

    found = {item.pop("status"): tuple(item.values()) for item in response["statuses"]}
    assert found == {
        "idle": (7200, 0.5, 1), "running": (3600, 0.25, 1), "error": (3600, 0.25, 1),
    }  # fmt: skip
    assert response["availability"] == 0.75
    assert (response["up_seconds"], response["down_seconds"], response["robots"]) == (
        10800,
        3600,
        1,
    )


def test_api_returns_summary_of_facility_and_fleet(plant, organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["robots:read"])})

    hall = client.get(f"/api/v1/status-history/summary?{SPAN}&facility=Hall 1").json()
    fleet = client.get(f"/api/v1/status-history/summary?{SPAN}").json()

    assert (hall["robots"], hall["availability"]) == (1, 0.75)
    assert (fleet["robots"], fleet["availability"]) == (2, 3 / 8)


def test_api_returns_timeline(plant, bob, client_for):
    url = f"/api/v1/robots/{plant.here.pk}/status-history/timeline?{SPAN}"

    response = client_for(bob).get(url).json()

    assert [(s["status"], s["start"]) for s in response["segments"]] == [
        ("running", "2026-03-01T00:00:00Z"),
        ("error", "2026-03-01T01:00:00Z"),
        ("idle", "2026-03-01T02:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("status-history/summary?facility=Nowhere", "invalid"),
        ("status-history/summary?days=3", "invalid"),
        ("status-history/summary?start=yesterday", "invalid"),
        ("status-history/summary?end=0001-01-01T00:00:00Z", "invalid_range"),
        ("robots/{id}/status-history/timeline?end=0001-01-01T00:00:00Z", "invalid_range"),
        ("status-history/summary?start=2026-03-02T00:00Z&end=2026-03-01T00:00Z", "invalid_range"),
        ("status-history/summary?start=2020-01-01T00:00Z&end=2026-03-01T00:00Z", "invalid_range"),
        ("robots/{id}/status-history/timeline?max_segments=0", "invalid"),
    ],
)
def test_api_with_invalid_parameters_returns_400(plant, bob, client_for, path, code):
    response = client_for(bob).get(f"/api/v1/{path.format(id=plant.here.pk)}")

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_other_organization_gets_404(plant, charlie, client_for):
    client = client_for(charlie)

    for what in ("summary", "timeline"):
        url = f"/api/v1/robots/{plant.here.pk}/status-history/{what}"
        assert client.get(url).status_code == 404
    assert client.get("/api/v1/status-history/summary?facility=Hall 1").status_code == 400
    assert client.get("/api/v1/status-history/summary").json()["robots"] == 0


def test_segments_are_merged_to_maximum(plant, tenant, write):
    seconds = {number * 1_000_000: ("running", "idle")[number % 2] for number in range(3000)}
    with tenant(plant.organization):
        write(plant.here, {7_200_000_001 + time: status for time, status in seconds.items()})
        span = TimeRange.of(ORIGIN, ORIGIN + 4 * HOUR)
        (segments,) = status_intervals([plant.here.pk], span, 200).values()
        count = RobotStatusHistory.objects.filter(
            robot_id=plant.here.pk, time__gt=span.start, time__lt=span.end
        ).count()

    assert len(segments) <= 200
    assert sum(segment.spells for segment in segments) == count + 1
