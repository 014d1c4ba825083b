from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.telemetry.selectors import (
    MAX_POINTS_PER_SERIES,
    InvalidRangeError,
    SeriesQuery,
    UnknownMetricError,
    get_series,
)
from tests.support import telemetry_points

START = datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def store(robot, points, metric="power.total", unit="W"):
    """Insert points `(seconds after START, value)` and enqueue them."""
    timed = [(START + timedelta(seconds=second), value) for second, value in points]
    telemetry_points.insert_points(robot, metric, timed, unit=unit)


def read(robot, seconds, max_points=MAX_POINTS_PER_SERIES, metrics=("power.total",), start=START):
    end = start + timedelta(seconds=seconds)
    return get_series(SeriesQuery((robot.pk,), metrics, start, end, max_points))


@pytest.fixture
def tenant_robot(organization_a, make_robot, tenant):
    """A robot, inside its tenant transaction."""
    robot = make_robot(organization_a)
    with tenant(organization_a):
        yield robot


def test_series_few_points_are_raw(tenant_robot):
    store(tenant_robot, [(0, 1.5), (0.25, -2), (9.999999, 3), (10, 99), (-1, 99)])
    (one,) = read(tenant_robot, 10)
    assert (one.metric_name, one.unit, one.resolution_seconds) == ("power.total", "W", 0)
    assert one.points == [
        (START + timedelta(seconds=s), v, v, v) for s, v in ((0, 1.5), (0.25, -2), (9.999999, 3))
    ]


def test_series_many_points_are_downsampled(tenant_robot):
    store(tenant_robot, [(n / 10, float(n)) for n in range(100)])
    (one,) = read(tenant_robot, 10, max_points=20)
    assert one.resolution_seconds == 1
    assert len(one.points) == 11  # starts in the middle of a second
    assert one.points[0] == (START.replace(microsecond=0), 3.5, 0.0, 7.0)
    assert one.points[1] == (START.replace(second=1, microsecond=0), 12.5, 8.0, 17.0)


def test_series_downsampling_keeps_peaks(tenant_robot):
    store(tenant_robot, [(n, 0.0) for n in range(3600)])
    store(tenant_robot, [(1800.5, 1000.0), (1900.5, -1000.0)])
    (one,) = read(tenant_robot, 3600, max_points=10)
    assert (len(one.points), one.resolution_seconds) == (6, 600)
    assert max(point[3] for point in one.points) == 1000.0
    assert min(point[2] for point in one.points) == -1000.0


def test_series_range_without_points_is_empty(tenant_robot):
    store(tenant_robot, [(0, 1.0)])
    (one,) = read(tenant_robot, 60, start=START + timedelta(hours=1))
    assert (one.points, one.unit) == ([], None)


def test_series_follow_requested_order(tenant_robot):
    store(tenant_robot, [(0, 1.0)], "b.two", "A")
    store(tenant_robot, [(0, 2.0)], "a.one", None)
    found = read(tenant_robot, 60, metrics=("b.two", "a.one"))
    assert [(one.metric_name, one.unit) for one in found] == [("b.two", "A"), ("a.one", None)]


def test_series_unit_is_from_newest_point(tenant_robot):
    store(tenant_robot, [(0, 1.0)], unit="W")
    store(tenant_robot, [(5, 1.0)], unit="kW")
    store(tenant_robot, [(9, 1.0)], unit=None)
    assert read(tenant_robot, 10)[0].unit == "kW"


def test_series_unknown_metric_raises(tenant_robot):
    store(tenant_robot, [(0, 1.0)])
    with pytest.raises(UnknownMetricError, match=r"no\.such"):
        read(tenant_robot, 60, metrics=("power.total", "no.such"))


@pytest.mark.parametrize("seconds", [0, -1])
def test_series_end_before_start_raises(tenant_robot, seconds):
    with pytest.raises(InvalidRangeError):
        read(tenant_robot, seconds)


def test_series_robot_of_other_organization_is_unknown(
    organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        store(robot, [(0, 1.0)])
    with tenant(organization_b), pytest.raises(UnknownMetricError):
        read(robot, 60)


POINTS = st.lists(
    st.tuples(
        st.integers(0, 599_999_999).map(lambda n: n / 1_000_000),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda point: point[0],
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(points=POINTS, seconds=st.integers(1, 600), max_points=st.integers(2, 60))
@example(points=[(0, 1.7e308), (1, 1.7e308)], seconds=600, max_points=2)
@example(points=[(0, 1e200), (1, -1e200)], seconds=600, max_points=2)
def test_series_buckets_match_model(points, seconds, max_points, tenant_robot):
    with transaction.atomic():
        store(tenant_robot, points)
        (one,) = read(tenant_robot, seconds, max_points)
        transaction.set_rollback(True)
    tenant = sorted(point for point in points if point[0] < seconds)
    assert len(one.points) <= max_points
    width = one.resolution_seconds
    if seconds < max_points and len(tenant) <= max_points:
        assert width == 0
    buckets = {}
    for second, value in tenant:
        time = START + timedelta(seconds=second)
        bucket = time - (time - datetime.min.replace(tzinfo=UTC)) % timedelta(seconds=width or 1e-6)
        buckets.setdefault(bucket, []).append(value)
    expected = sorted(buckets.items())
    assert [point[0] for point in one.points] == [time for time, _ in expected]
    for (_, average, minimum, maximum), (_, values) in zip(one.points, expected, strict=True):
        assert (minimum, maximum) == (min(values), max(values))
        mean = sum(value / len(values) for value in values)
        scale = max(map(abs, values))
        assert average == pytest.approx(mean, rel=1e-9, abs=max(scale * 1e-9, 1e-100))


# API


@pytest.fixture
def ask(alice, client_for, organization_a, make_robot, tenant):
    robot, client = make_robot(organization_a), client_for(alice)
    with tenant(organization_a):
        store(robot, [(n, float(n)) for n in range(10)])

    def get(**parameters):
        values = {
            "metrics": "power.total",
            "start": START.isoformat(),
            "end": (START + timedelta(minutes=1)).isoformat(),
            **parameters,
        }
        return client.get(f"/api/v1/robots/{robot.pk}/telemetry/series", values)

    return get


def test_api_series_returns_points(ask):
    response = ask().json()
    (one,) = response["series"]
    assert one["metric_name"] == "power.total"
    assert len(one["points"]) == 10
    assert one["points"][1][1:] == [1.0, 1.0, 1.0]
    assert len(ask(max_points=3).json()["series"][0]["points"]) <= 3
    (one,) = ask(aggregations="count,p50,last", resolution="5s").json()["series"]
    assert one["aggregations"] == ["count", "p50", "last"]
    assert [point[1:] for point in one["points"]] == [[5, 2.0, 4.0], [5, 7.0, 9.0]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"metrics": "no.such"}, "unknown_metric"),
        ({"metrics": "power.total,no\x00such"}, "invalid"),
        ({"metrics": ""}, "invalid"),
        ({"metrics": " , "}, "invalid"),
        ({"metrics": ",".join(f"m{n}" for n in range(21))}, "invalid"),
        ({"max_points": "1"}, "invalid"),
        ({"max_points": "2001"}, "invalid"),
        ({"max_points": "many"}, "invalid"),
        ({"start": "yesterday"}, "invalid"),
        ({"end": START.isoformat()}, "invalid_range"),
        ({"aggregation": "median"}, "invalid"),
        ({"aggregations": "median"}, "invalid"),
        ({"aggregations": "avg,p0"}, "invalid"),
        ({"aggregations": "p100"}, "invalid"),
        ({"aggregations": " , "}, "invalid"),
        ({"resolution": "7s"}, "invalid"),
        ({"resolution": "raw", "max_points": "5"}, "too_many_points"),
        ({"resolution": "1s", "max_points": "5"}, "too_many_points"),
        ({"fields": "x"}, "invalid"),
    ],
)
def test_api_series_invalid_parameters_get_400(wrong, code, ask):
    response = ask(**wrong)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    "ends",
    [
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        ("1900-01-01", "2100-01-01"),
        ("2025-03-01T12:00:00", "2025-03-01T12:00:10"),
    ],
)
def test_api_series_accepts_any_range(ends, ask):
    start, end = ends
    assert ask(start=start, end=end).status_code in {200, 400}


def test_api_series_widest_range_returns_points(ask):
    response = ask(start="0001-01-01T00:00:00Z", end="9999-12-31T23:59:59Z", max_points=2).json()
    assert [point[1:] for point in response["series"][0]["points"]] == [[4.5, 0.0, 9.0]]


def test_other_organization_gets_404(charlie, client_for, organization_a, make_robot):
    robot = make_robot(organization_a)
    response = client_for(charlie).get(f"/api/v1/robots/{robot.pk}/telemetry/series")
    assert response.status_code == 404
    assert Client().get(f"/api/v1/robots/{robot.pk}/telemetry/series").status_code == 401
