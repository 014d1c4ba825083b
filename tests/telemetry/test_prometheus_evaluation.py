"""Evaluated windows equal a plain model over all points, from points and from rollups."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.robots.models import Robot
from apps.telemetry.exceptions import QueryTooLargeError
from apps.telemetry.selectors.prometheus import evaluation
from apps.telemetry.selectors.prometheus.evaluation import LOOKBACK_MS, Steps, evaluate
from apps.telemetry.selectors.prometheus.expressions import (
    AGGREGATE_FUNCTIONS,
    FunctionCall,
    Matcher,
    Selector,
)
from apps.telemetry.selectors.prometheus.labels import find_series
from apps.telemetry.services.rollups import roll_up
from tests.support import telemetry_points

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
SECONDS = 3 * 3600
ANY = (Matcher("metric", "=~", "^(?:.*)$"),)


@pytest.fixture
def points(organization_a, make_robot, tenant):
    """Points of two robots and two metrics, a part of them rolled up; in the tenant transaction."""
    chance = random.Random(1)
    stored = {}
    with tenant(organization_a):
        for robot in [make_robot(organization_a) for _ in range(2)]:
            for metric in ("power.total", "a_b"):
                micros = chance.sample(range(SECONDS * 1_000_000), 60)
                seconds = {micro / 1e6 for micro in micros} | {60.0, 3600.0, 7200.0}
                stored[robot.pk, metric] = sorted(
                    (second, chance.uniform(-9, 9)) for second in seconds
                )
                telemetry_points.insert_points(robot, metric, _timed(stored[robot.pk, metric][::2]))
        while roll_up(organization_a.pk):
            pass
        for (robot_id, metric), all_points in stored.items():
            robot = Robot.objects.unscoped(reason="test").get(pk=robot_id)
            telemetry_points.insert_points(robot, metric, _timed(all_points[1::2]))
        yield stored


def _timed(points):
    return [(START + timedelta(seconds=second), value) for second, value in points]


def all_series():
    return find_series(Robot.objects.unscoped(reason="test"), ANY, limit=100)


def aggregates(values):
    return {
        "avg_over_time": sum(values) / len(values),
        "min_over_time": min(values),
        "max_over_time": max(values),
        "sum_over_time": sum(values),
        "count_over_time": len(values),
        "last_over_time": values[-1],
    }


def model(function, stored, steps, length, offset, unit):
    """Return the expected values of a series.

    Args:
        function: Name of the function.
        stored: Points by seconds after `START`.
        steps: Evaluation times.
        length: Length of a window in milliseconds.
        offset: Offset in milliseconds.
        unit: Milliseconds to which windows are rounded; 1 for exact ones.
    """
    found = []
    for at in steps:
        end = (at - offset) // unit * unit - START_MS
        start = end - length // unit * unit
        inside = [
            value
            for second, value in stored
            if (start < second * 1000 <= end if unit == 1 else start <= second * 1000 < end)
        ]
        if inside:
            found.append((at, pytest.approx(aggregates(inside)[function])))
    return found


QUERIES = {
    "function": st.sampled_from(AGGREGATE_FUNCTIONS),
    "start": st.sampled_from([0, 60_000, 3_600_000, 61_000, 123_456]),
    "step": st.sampled_from([60_000, 90_000, 600_000, 3_600_000, 77_777]),
    "count": st.integers(1, 40),
    "length": st.sampled_from([60_000, 300_000, 3_600_000, 100_000, 1_234_567]),
    "offset": st.sampled_from([0, 60_000, -30_000]),
}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(unit=st.sampled_from([1, 60_000]), **QUERIES)
def test_windows_equal_a_plain_model(points, unit, function, start, step, count, length, offset):
    steps = Steps(START_MS + start, START_MS + start + (count - 1) * step, step)
    expression = FunctionCall(function, Selector(ANY, length, offset))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "MAX_RAW_ROWS", 0 if unit > 1 else 10**9)
        found = evaluate(expression, all_series(), steps)
    expected = {
        key: values
        for key, stored in points.items()
        if (values := model(function, stored, steps, length, offset, unit))
    }
    named = {(str(robot_id), metric): values for (robot_id, metric), values in expected.items()}
    assert {(one.labels["robot_id"], one.labels["metric"]): one.values for one in found} == named
    assert all(("__name__" in one.labels) == (function == "last_over_time") for one in found)


@pytest.mark.parametrize("step", [15_000, 600_000])
def test_selector_finds_newest_value_of_lookback_or_step(points, step):
    steps = Steps(START_MS, START_MS + 20 * step, step)
    found = evaluate(Selector(ANY), all_series(), steps)
    length = max(LOOKBACK_MS, step)
    for one in found:
        (stored,) = [
            value
            for (robot_id, metric), value in points.items()
            if (str(robot_id), metric) == (one.labels["robot_id"], one.labels["metric"])
        ]
        assert one.values == model("last_over_time", stored, steps, length, 0, 1)
    assert found


def test_hours_are_read_from_hours(points, monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_RAW_ROWS", 0)
    monkeypatch.setattr(evaluation, "MAX_ROWS", 100)
    hour = 3_600_000
    steps = Steps(START_MS + hour, START_MS + 3 * hour, hour)
    expression = FunctionCall("max_over_time", Selector(ANY, hour))
    found = evaluate(expression, all_series(), steps)
    for one in found:
        (stored,) = [
            value
            for (robot_id, metric), value in points.items()
            if (str(robot_id), metric) == (one.labels["robot_id"], one.labels["metric"])
        ]
        assert one.values == model("max_over_time", stored, steps, hour, 0, hour)
    assert len(found) == len(points)


@pytest.mark.parametrize(
    ("name", "value", "function", "length"),
    [
        ("MAX_SERIES", 3, "avg_over_time", 60_000),
        ("MAX_VALUES", 3, "avg_over_time", 60_000),
        ("MAX_ROWS", 5, "avg_over_time", 7_200_000),
        ("MAX_RAW_ROWS", 5, "rate", 7_200_000),
    ],
)
def test_too_large_query_is_rejected(points, monkeypatch, name, value, function, length):
    monkeypatch.setattr(evaluation, "MAX_RAW_ROWS", 0)
    monkeypatch.setattr(evaluation, name, value)
    end = START_MS + SECONDS * 1000
    with pytest.raises(QueryTooLargeError):
        evaluate(FunctionCall(function, Selector(ANY, length)), all_series(), Steps(end, end, 1))


def test_buckets_finer_than_the_estimate_of_points_are_limited(points, monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_ROWS", 5)
    end = START_MS + SECONDS * 1000
    expression = FunctionCall("avg_over_time", Selector(ANY, 7_200_001))
    with pytest.raises(QueryTooLargeError):
        evaluate(expression, all_series(), Steps(end - 60_000, end, 10_000))
