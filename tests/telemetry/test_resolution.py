"""Series that combine rollups and points that are not rolled up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.telemetry.selectors import SeriesQuery, get_series
from apps.telemetry.services.rollups import roll_up
from tests.support import telemetry_points

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


def store(robot, *points):
    """Insert points `(seconds after START, value)` as one pending work item."""
    timed = [(START + timedelta(seconds=second), value) for second, value in points]
    telemetry_points.insert_points(robot, "a", timed)


@pytest.fixture
def read(robot, tenant, organization_a):
    """Return a function that reads the minutes of a range in seconds, with averages."""

    def get(start, end):
        first, last = (START + timedelta(seconds=second) for second in (start, end))
        query = SeriesQuery((robot.pk,), ("a",), first, last, resolution_seconds=60)
        with tenant(organization_a):
            (one,) = get_series(query)
        return {(point[0] - START).total_seconds(): point[1] for point in one.points}

    return get


def test_slices_pending_range_before_start_is_clipped(robot, read):
    store(robot, (0, 1.0), (90, 2.0), (180, 3.0))
    assert read(60, 120) == {60: 2.0}


def test_slices_nested_pending_ranges_are_merged(robot, read):
    store(robot, (0, 1.0), (480, 2.0))
    store(robot, (60, 5.0))
    assert read(0, 600) == {0: 1.0, 60: 5.0, 480: 2.0}


def test_slices_pending_range_splits_rollup(robot, read, organization_a):
    store(robot, (0, 1.0), (600, 3.0), (1200, 4.0))
    roll_up(organization_a.pk)
    store(robot, (300, 2.0))
    assert read(0, 1260) == {0: 1.0, 300: 2.0, 600: 3.0, 1200: 4.0}


def test_series_partial_bucket_counts_points_inside(robot, read, organization_a):
    store(robot, (0, 1.0), (30, 2.0), (60, 3.0), (90, 4.0))
    for _ in range(2):
        assert read(15, 75) == {0: 2.0, 60: 3.0}
        roll_up(organization_a.pk)


def test_series_average_stays_within_values(robot, read, organization_a):
    """The sum of ten times 0.1 is slightly less than 1."""
    store(robot, *[(second, 0.1) for second in range(10)])
    assert sum([0.1] * 10) / 10 < 0.1
    for _ in range(2):
        assert read(0, 60) == {0: 0.1}
        roll_up(organization_a.pk)


def test_series_unit_is_from_newest_point_with_unit(robot, tenant, organization_a):
    for second, unit in ((0, "W"), (5, "kW"), (9, None)):
        telemetry_points.insert_points(
            robot, "a", [(START + timedelta(seconds=second), 1.0)], unit=unit
        )
    query = SeriesQuery(
        (robot.pk,), ("a",), START, START + timedelta(minutes=1), resolution_seconds=60
    )
    for _ in range(2):
        with tenant(organization_a):
            assert [one.unit for one in get_series(query)] == ["kW"]
        roll_up(organization_a.pk)
