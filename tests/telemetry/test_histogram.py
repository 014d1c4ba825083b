from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.telemetry.selectors import HistogramQuery, RangeTooLargeError, SeriesQuery, get_series
from apps.telemetry.selectors import get_histogram as worked_out
from apps.telemetry.services.pending_work import pending_work_enqueue
from apps.telemetry.services.rollups import roll_up

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def stored(organization_a, make_robot, tenant):
    """A robot with 100 values, from 0 to 99, of which the first 50 are rolled up."""
    robot = make_robot(organization_a)
    for part in (range(50), range(50, 100)):
        times = [START + timedelta(seconds=20 * n) for n in part]
        with tenant(organization_a), connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value, unit)"
                " VALUES (%s, %s, 'power.total', %s, 'W')",
                [(time, robot.pk, float(n)) for time, n in zip(times, part, strict=True)],
            )
            pending_work_enqueue(
                organization_a.id, [(robot.pk, "power.total", time) for time in times]
            )
        if part[0] == 0:
            roll_up(organization_a.id)
    return robot


@pytest.fixture
def room(stored, tenant, organization_a):
    """The same robot, inside its organization's transaction."""
    with tenant(organization_a):
        yield stored


def query(robot, bins=10, hours=1):
    return HistogramQuery(robot.pk, "power.total", START, START + hours * HOUR, bins)


def test_every_value_is_in_one_bin(room):
    found = worked_out(query(room))
    assert (found.count, found.unit) == (100, "W")
    assert [one.count for one in found.bins] == [10] * 10
    assert (found.bins[0].start, found.bins[-1].end) == (0.0, 99.0)
    for one, following in zip(found.bins, found.bins[1:], strict=False):
        assert one.end == following.start


@pytest.mark.parametrize("bins", [3, 7, 20, 30, 99, 200])
def test_a_value_on_an_edge_is_in_the_bin_that_begins_there(room, bins):
    found = worked_out(query(room, bins)).bins
    last = found[-1]
    for one in found:
        expected = [n for n in range(100) if one.start <= n < one.end or (one is last and n == 99)]
        assert one.count == len(expected), one


def test_a_single_value_and_none(room):
    one = HistogramQuery(room.pk, "power.total", START, START + timedelta(seconds=1), 5)
    assert [(b.start, b.end, b.count) for b in worked_out(one).bins] == [(0.0, 0.0, 1)]
    later = HistogramQuery(room.pk, "power.total", START + 5 * HOUR, START + 6 * HOUR, 5)
    assert (worked_out(later).count, worked_out(later).bins) == (0, [])


def test_values_as_far_apart_as_doubles_are(room):
    with connection.cursor() as cursor:
        for second, value in ((1, 1.7e308), (2, -1.7e308)):
            cursor.execute(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
                " VALUES (%s, %s, 'power.total', %s)",
                [START + timedelta(seconds=second), room.pk, value],
            )
    pending_work_enqueue(room.organization_id, [(room.pk, "power.total", START)])
    found = worked_out(query(room, bins=3))
    assert [one.count for one in found.bins] == [1, 100, 1]
    assert (found.bins[0].start, found.bins[-1].end) == (-1.7e308, 1.7e308)


def test_more_points_than_are_looked_at(room, monkeypatch):
    for name in ("histogram", "series"):
        module = sys.modules[f"apps.telemetry.selectors.{name}"]
        monkeypatch.setattr(module, "MAX_RAW_POINTS", 99)
    with pytest.raises(RangeTooLargeError, match="there are 100"):
        worked_out(query(room))
    end = START + HOUR
    wanted = SeriesQuery(
        (room.pk,), ("power.total",), START, end, 50, ("p50",), resolution_seconds=3600
    )
    with pytest.raises(RangeTooLargeError, match="there are 100"):
        get_series(wanted)


def test_api(stored, alice, client_for):
    path = f"/api/v1/robots/{stored.pk}/telemetry/histogram"
    wanted = {
        "metric": "power.total",
        "start": START.isoformat(),
        "end": (START + HOUR).isoformat(),
        "bins": "4",
    }
    answer = client_for(alice).get(path, wanted).json()
    assert answer["count"] == 100
    assert answer["bins"][0] == {"start": 0.0, "end": 24.75, "count": 25}
    for wrong, code in (
        ({"bins": "0"}, "invalid"),
        ({"bins": "201"}, "invalid"),
        ({"metric": "no.such"}, "unknown_metric"),
        ({"end": START.isoformat()}, "invalid_range"),
        ({"metrics": "power.total"}, "invalid"),
    ):
        refused = client_for(alice).get(path, {**wanted, **wrong})
        assert (refused.status_code, refused.json()["code"]) == (400, code)


def test_other_organization_gets_404(charlie, client_for, organization_a, make_robot):
    robot = make_robot(organization_a)
    answer = client_for(charlie).get(f"/api/v1/robots/{robot.pk}/telemetry/histogram")
    assert answer.status_code == 404
