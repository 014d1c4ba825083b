from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.telemetry.selectors import (
    HistogramQuery,
    RangeTooLargeError,
    SeriesQuery,
    get_histogram,
    get_series,
)
from apps.telemetry.services.pending_work import pending_work_enqueue
from apps.telemetry.services.rollups import roll_up

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def stored(organization_a, make_robot, tenant):
    """A robot with 100 values, from 0 to 99; the first 50 are rolled up."""
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
def tenant_robot(stored, tenant, organization_a):
    """The same robot, inside its tenant transaction."""
    with tenant(organization_a):
        yield stored


def query(robot, bins=10, hours=1):
    return HistogramQuery(robot.pk, "power.total", START, START + hours * HOUR, bins)


def test_histogram_counts_each_value_once(tenant_robot):
    found = get_histogram(query(tenant_robot))
    assert (found.count, found.unit) == (100, "W")
    assert [one.count for one in found.bins] == [10] * 10
    assert (found.bins[0].start, found.bins[-1].end) == (0.0, 99.0)
    for one, following in zip(found.bins, found.bins[1:], strict=False):
        assert one.end == following.start


@pytest.mark.parametrize("bins", [3, 7, 20, 30, 99, 200])
def test_histogram_value_on_edge_belongs_to_bin_it_starts(tenant_robot, bins):
    found = get_histogram(query(tenant_robot, bins)).bins
    last = found[-1]
    for one in found:
        expected = [n for n in range(100) if one.start <= n < one.end or (one is last and n == 99)]
        assert one.count == len(expected), one


def test_histogram_single_value_and_no_value(tenant_robot):
    one = HistogramQuery(tenant_robot.pk, "power.total", START, START + timedelta(seconds=1), 5)
    assert [(b.start, b.end, b.count) for b in get_histogram(one).bins] == [(0.0, 0.0, 1)]
    later = HistogramQuery(tenant_robot.pk, "power.total", START + 5 * HOUR, START + 6 * HOUR, 5)
    assert (get_histogram(later).count, get_histogram(later).bins) == (0, [])


def test_histogram_extreme_doubles_do_not_overflow(tenant_robot):
    with connection.cursor() as cursor:
        for second, value in ((1, 1.7e308), (2, -1.7e308)):
            cursor.execute(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
                " VALUES (%s, %s, 'power.total', %s)",
                [START + timedelta(seconds=second), tenant_robot.pk, value],
            )
    pending_work_enqueue(tenant_robot.organization_id, [(tenant_robot.pk, "power.total", START)])
    found = get_histogram(query(tenant_robot, bins=3))
    assert [one.count for one in found.bins] == [1, 100, 1]
    assert (found.bins[0].start, found.bins[-1].end) == (-1.7e308, 1.7e308)


def test_histogram_and_percentiles_too_many_points_raise(tenant_robot, monkeypatch):
    for name in ("histogram", "series"):
        module = sys.modules[f"apps.telemetry.selectors.{name}"]
        monkeypatch.setattr(module, "MAX_RAW_POINTS", 99)
    with pytest.raises(RangeTooLargeError, match="has 100 points"):
        get_histogram(query(tenant_robot))
    end = START + HOUR
    wanted = SeriesQuery(
        (tenant_robot.pk,), ("power.total",), START, end, 50, ("p50",), resolution_seconds=3600
    )
    with pytest.raises(RangeTooLargeError, match="has 100 points"):
        get_series(wanted)


def test_api_histogram_returns_bins(stored, alice, client_for):
    path = f"/api/v1/robots/{stored.pk}/telemetry/histogram"
    wanted = {
        "metric": "power.total",
        "start": START.isoformat(),
        "end": (START + HOUR).isoformat(),
        "bins": "4",
    }
    response = client_for(alice).get(path, wanted).json()
    assert response["count"] == 100
    assert response["bins"][0] == {"start": 0.0, "end": 24.75, "count": 25}
    for wrong, code in (
        ({"bins": "0"}, "invalid"),
        ({"bins": "201"}, "invalid"),
        ({"metric": "no.such"}, "unknown_metric"),
        ({"end": START.isoformat()}, "invalid_range"),
        ({"metrics": "power.total"}, "invalid"),
    ):
        rejected = client_for(alice).get(path, {**wanted, **wrong})
        assert (rejected.status_code, rejected.json()["code"]) == (400, code)


def test_other_organization_gets_404(charlie, client_for, organization_a, make_robot):
    robot = make_robot(organization_a)
    response = client_for(charlie).get(f"/api/v1/robots/{robot.pk}/telemetry/histogram")
    assert response.status_code == 404
