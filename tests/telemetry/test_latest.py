from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.telemetry.selectors import latest_values, metric_names
from apps.telemetry.services.rollups import roll_up
from tests.support import telemetry_points

START = datetime(2025, 3, 1, tzinfo=UTC)


def store(robot, metric, points):
    """Insert points `(hours after START, value)` and enqueue them."""
    telemetry_points.insert_points(
        robot, metric, [(START + timedelta(hours=hour), value) for hour, value in points]
    )


def test_latest_values_of_several_robots(organization_a, make_robot, tenant):
    robots = [make_robot(organization_a) for _ in range(4)]
    with tenant(organization_a):
        for number, robot in enumerate(robots[:3]):
            # In several chunks, and not ordered by time.
            store(robot, "a", [(0, 1.0), (90, 10.0 + number), (30, 2.0)])
            store(robot, "b.c", [(5, float(number))])
        store(robots[0], "only.here", [(1, None)])
        with CaptureQueriesContext(connection) as queries:
            values = latest_values([robot.pk for robot in robots])
        assert len(queries) == 2
        found = {(v.robot_id, v.metric_name): (v.value, v.time) for v in values}
        expected = {(robots[0].pk, "only.here"): (None, START + timedelta(hours=1))}
        for number, robot in enumerate(robots[:3]):
            expected[robot.pk, "a"] = (10.0 + number, START + timedelta(hours=90))
            expected[robot.pk, "b.c"] = (float(number), START + timedelta(hours=5))
        assert found == expected
        assert metric_names(robots[0].pk) == ["a", "b.c", "only.here"]
        assert metric_names(robots[3].pk) == []
        assert latest_values([]) == []


def test_latest_values_of_other_organization_are_empty(
    organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        store(robot, "a", [(0, 1.0)])
    with tenant(organization_b):
        assert latest_values([robot.pk]) == []


def test_api_latest_returns_values(organization_a, alice, charlie, client_for, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        store(robot, "a", [(0, 1.0), (1, 2.0)])
    path = f"/api/v1/robots/{robot.pk}/telemetry/latest"
    assert client_for(alice).get(path).json() == {
        "values": [{"metric_name": "a", "value": 2.0, "unit": "W", "time": "2025-03-01T01:00:00Z"}]
    }
    assert client_for(alice).get(path, {"x": 1}).status_code == 400
    assert client_for(charlie).get(path).status_code == 404


def test_latest_value_ignores_late_point(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    for points, newest in (
        ([(1, 2.0)], (1, 2.0)),
        ([(0, 1.0)], (1, 2.0)),
        ([(1.5, None), (0.5, 3.0)], (1.5, None)),
    ):
        with tenant(organization_a):
            store(robot, "a", points)
        roll_up(organization_a.pk)
        with tenant(organization_a):
            (value,) = latest_values([robot.pk])
        assert (value.time, value.value) == (START + timedelta(hours=newest[0]), newest[1])


@pytest.mark.parametrize(
    "path",
    [
        "telemetry/latest?robots=",
        "telemetry/latest?metrics=",
        "telemetry/export?format=csv&start=2026-01-01T00:00Z&end=2026-01-02T00:00Z&robots=",
        "telemetry/export?format=csv&start=2026-01-01T00:00Z&end=2026-01-02T00:00Z&metrics=",
    ],
)
def test_empty_list_parameter_is_rejected(path, alice, client_for):
    response = client_for(alice).get(f"/api/v1/{path}")

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
