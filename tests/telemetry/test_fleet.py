"""Latest values and series of many robots, through the API."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.telemetry.selectors import SeriesQuery, get_series
from apps.telemetry.selectors.resolution import bucket_count, bucket_width, levels_for
from apps.telemetry.services.rollups import roll_up
from tests.support import telemetry_points

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATEST, SERIES = "/api/v1/telemetry/latest", "/api/v1/telemetry/series"


def store(robot, metric, points):
    """Insert points `(seconds after START, value)` and enqueue them."""
    telemetry_points.insert_points(
        robot, metric, [(START + timedelta(seconds=s), value) for s, value in points]
    )


@pytest.fixture
def robots(organization_a, make_robot):
    """Five robots, ordered by id; all but the last have points, half of them rolled up."""
    created = sorted((make_robot(organization_a) for _ in range(5)), key=lambda robot: robot.pk)
    for number, robot in enumerate(created[:4]):
        store(robot, "a", [(0, float(number)), (60, number + 0.5)])
    roll_up(organization_a.id)
    store(created[0], "a", [(30, 99.0), (90, -1.0)])  # this point is newer than the rollups
    store(created[1], "a", [(45, 99.0)])  # this point is older
    store(created[1], "b", [(7, 7.0)])
    return created


def values(response):
    assert response.status_code == 200, response.content
    return [
        (item["robot_id"], item["metric_name"], item["value"])
        for item in response.json()["results"]
    ]


def test_fleet_latest_returns_all_robots(robots, alice, client_for):
    response = client_for(alice).get(LATEST)
    assert values(response) == [
        (str(robots[0].pk), "a", -1.0),
        (str(robots[1].pk), "a", 1.5),
        (str(robots[1].pk), "b", 7.0),
        (str(robots[2].pk), "a", 2.5),
        (str(robots[3].pk), "a", 3.5),
    ]
    first = response.json()["results"][0]
    assert (first["unit"], first["time"]) == ("W", "2025-03-01T12:01:30+00:00")
    assert response.json()["next"] is None


def test_fleet_latest_filters_robots_and_metrics(robots, alice, client_for):
    client = client_for(alice)
    assert values(client.get(LATEST, {"metrics": "b"})) == [(str(robots[1].pk), "b", 7.0)]
    some = f"{robots[2].pk},{robots[4].pk},{uuid.uuid4()}"
    assert values(client.get(LATEST, {"robots": some})) == [(str(robots[2].pk), "a", 2.5)]
    assert values(client.get(LATEST, {"metrics": "never.sent"})) == []


def test_fleet_latest_pages_neither_skip_nor_repeat(robots, alice, client_for):
    client, path, seen, pages = client_for(alice), f"{LATEST}?metrics=a&page_size=2", [], 0
    while path:
        response = client.get(path)
        seen += values(response)
        path, pages = response.json()["next"], pages + 1
    assert [robot_id for robot_id, *_ in seen] == [str(robot.pk) for robot in robots[:4]]
    assert pages == 3


@pytest.mark.parametrize(
    "invalid",
    [
        {"page_size": "0"},
        {"page_size": "10001"},
        {"page_size": "1001"},
        {"page_size": "5000", "metrics": "a,b,c,d"},
        {"cursor": "nonsense"},
        {"robots": "nonsense"},
        {"metrics": ","},
        {"metric": "a"},
    ],
)
def test_fleet_latest_invalid_parameters_get_400(invalid, alice, client_for):
    response = client_for(alice).get(LATEST, invalid)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_fleet_latest_long_page_requires_few_metrics(robots, alice, client_for):
    assert len(values(client_for(alice).get(LATEST, {"metrics": "a,b", "page_size": "10000"}))) == 5


@pytest.fixture
def ask(alice, client_for, robots):
    def get(**parameters):
        wanted = {
            "robots": ",".join(str(robot.pk) for robot in robots[:2]),
            "metrics": "a,b",
            "start": START.isoformat(),
            "end": (START + timedelta(hours=1)).isoformat(),
            "resolution": "1m",
            "aggregations": "sum,count",
            **parameters,
        }
        return client_for(alice).get(SERIES, wanted)

    return get


def test_fleet_series_returns_each_robot_and_metric(ask, robots):
    found = {
        (one["robot_id"], one["metric_name"]): [point[1:] for point in one["points"]]
        for one in ask().json()["series"]
    }
    first, second = (str(robot.pk) for robot in robots[:2])
    assert found == {
        (first, "a"): [[99.0, 2], [-0.5, 2]],
        (first, "b"): [],
        (second, "a"): [[100.0, 2], [1.5, 1]],
        (second, "b"): [[7.0, 1]],
    }


@pytest.mark.parametrize(
    ("invalid", "status", "code"),
    [
        ({"robots": ""}, 400, "invalid"),
        ({"robots": "nonsense"}, 400, "invalid"),
        ({"robots": str(uuid.UUID(int=5))}, 404, "not_found"),
        ({"robots": ",".join(str(uuid.UUID(int=n)) for n in range(101))}, 400, "invalid"),
        ({"metrics": "a,never.sent"}, 400, "unknown_metric"),
        ({"resolution": "1s"}, 400, "too_many_points"),
    ],
)
def test_fleet_series_invalid_parameters_get_400(ask, invalid, status, code):
    response = ask(**invalid)
    assert (response.status_code, response.json()["code"]) == (status, code), response.content


def test_fleet_series_too_many_series_get_400(ask):
    wanted = ",".join(str(uuid.UUID(int=n)) for n in range(20))
    response = ask(robots=wanted, metrics=",".join(f"m{n}" for n in range(11)))
    assert "at most 200 series" in response.json()["errors"]["robots"][0]


def test_query_count(robots, organization_a, tenant):
    """Many series need as many statements as one."""
    counts = []
    with tenant(organization_a):
        for some, metrics in ((robots[:1], ("a",)), (robots, ("a", "b"))):
            query = SeriesQuery(
                tuple(robot.pk for robot in some), metrics, START, START + timedelta(days=30)
            )
            with CaptureQueriesContext(connection) as queries:
                get_series(query)
            counts.append(len(queries))
    assert counts == [3, 3]


@pytest.mark.parametrize("count", [1, 10, 200])
@pytest.mark.parametrize("max_points", [2, 500, 2000])
@pytest.mark.parametrize(
    "length",
    [timedelta(seconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=30),
     timedelta(days=365), timedelta(days=36_500)],
)  # fmt: skip
def test_bucket_width_respects_limits(length, max_points, count):
    start = START + timedelta(seconds=17)
    width = bucket_width(start, start + length, max_points=max_points, series=count)
    assert bucket_count(start, start + length, width) <= max_points
    source = next((level.seconds for level in levels_for(width)), 1)
    rows = length.total_seconds() / source * count
    assert rows <= 300_000 or source == 86_400
