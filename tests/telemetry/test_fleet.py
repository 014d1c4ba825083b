"""Latest values and series of many robots over the API."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.telemetry.selectors import SeriesQuery, get_series
from apps.telemetry.selectors.resolution import bucket_count, bucket_width, levels_for
from apps.telemetry.services.rollups import roll_up
from tests.support import telemetry_storing

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATEST, SERIES = "/api/v1/telemetry/latest", "/api/v1/telemetry/series"


def store(robot, metric, points):
    """Put `(seconds after START, value)` into the table, and tell the rollups."""
    telemetry_storing.store(
        robot, metric, [(START + timedelta(seconds=s), value) for s, value in points]
    )


@pytest.fixture
def robots(organization_a, make_robot):
    """Five robots, in the order of their ids; all but the last have sent, half is rolled up."""
    made = sorted((make_robot(organization_a) for _ in range(5)), key=lambda robot: robot.pk)
    for number, robot in enumerate(made[:4]):
        store(robot, "a", [(0, float(number)), (60, number + 0.5)])
    roll_up(organization_a.id)
    store(made[0], "a", [(30, 99.0), (90, -1.0)])  # one is newer than what is rolled up
    store(made[1], "a", [(45, 99.0)])  # this one is not
    store(made[1], "b", [(7, 7.0)])
    return made


def values(answer):
    assert answer.status_code == 200, answer.content
    return [
        (item["robot_id"], item["metric_name"], item["value"]) for item in answer.json()["results"]
    ]


def test_latest_values_of_the_fleet(robots, alice, client_for):
    answer = client_for(alice).get(LATEST)
    assert values(answer) == [
        (str(robots[0].pk), "a", -1.0),
        (str(robots[1].pk), "a", 1.5),
        (str(robots[1].pk), "b", 7.0),
        (str(robots[2].pk), "a", 2.5),
        (str(robots[3].pk), "a", 3.5),
    ]
    first = answer.json()["results"][0]
    assert (first["unit"], first["time"]) == ("W", "2025-03-01T12:01:30+00:00")
    assert answer.json()["next"] is None


def test_latest_values_of_some(robots, alice, client_for):
    client = client_for(alice)
    assert values(client.get(LATEST, {"metrics": "b"})) == [(str(robots[1].pk), "b", 7.0)]
    some = f"{robots[2].pk},{robots[4].pk},{uuid.uuid4()}"
    assert values(client.get(LATEST, {"robots": some})) == [(str(robots[2].pk), "a", 2.5)]
    assert values(client.get(LATEST, {"metrics": "never.sent"})) == []


def test_pages_neither_skip_nor_repeat(robots, alice, client_for):
    client, path, seen, pages = client_for(alice), f"{LATEST}?metrics=a&page_size=2", [], 0
    while path:
        answer = client.get(path)
        seen += values(answer)
        path, pages = answer.json()["next"], pages + 1
    assert [robot_id for robot_id, *_ in seen] == [str(robot.pk) for robot in robots[:4]]
    assert pages == 3


@pytest.mark.parametrize(
    "wrong",
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
def test_latest_refuses(wrong, alice, client_for):
    answer = client_for(alice).get(LATEST, wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_long_page_of_few_metrics(robots, alice, client_for):
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


def test_series_of_several_robots_and_metrics(ask, robots):
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
    ("wrong", "status", "code"),
    [
        ({"robots": ""}, 400, "invalid"),
        ({"robots": "nonsense"}, 400, "invalid"),
        ({"robots": str(uuid.UUID(int=5))}, 404, "not_found"),
        ({"robots": ",".join(str(uuid.UUID(int=n)) for n in range(101))}, 400, "invalid"),
        ({"metrics": "a,never.sent"}, 400, "unknown_metric"),
        ({"resolution": "1s"}, 400, "too_many_points"),
    ],
)
def test_series_refuses(ask, wrong, status, code):
    answer = ask(**wrong)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content


def test_more_series_than_are_answered_at_once(ask):
    wanted = ",".join(str(uuid.UUID(int=n)) for n in range(20))
    answer = ask(robots=wanted, metrics=",".join(f"m{n}" for n in range(11)))
    assert "more than 200 series" in answer.json()["errors"]["robots"][0]


def test_query_count(robots, organization_a, tenant):
    """As many statements for many series as for one."""
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
def test_the_resolution_keeps_to_its_limits(length, max_points, count):
    start = START + timedelta(seconds=17)
    width = bucket_width(start, start + length, max_points=max_points, series=count)
    assert bucket_count(start, start + length, width) <= max_points
    source = next((level.seconds for level in levels_for(width)), 1)
    rows = length.total_seconds() / source * count
    assert rows <= 300_000 or source == 86_400
