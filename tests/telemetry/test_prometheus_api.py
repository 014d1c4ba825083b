"""The query API of Prometheus: answers, labels, errors, access, and promtool as a client."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from apps.telemetry.services.rollups import roll_up
from tests.conftest import PASSWORD
from tests.support import telemetry_points
from tests.support.prometheus import promtool

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
AT = START.timestamp()
URL = "/prometheus/api/v1/"
SCOPES = ["telemetry:read", "robots:read"]


@pytest.fixture
def fleet(organization_a, organization_b, make_robot, make_facility, tenant):
    """Robots with points, one of another organization; one series is not rolled up."""
    make_facility(organization_a, "Hall 2")
    named = {"robot one": "SN-1", "robot.two": "SN-2"}
    robots = [
        make_robot(organization_a, name=name, serial_number=serial, location={"facility": "Hall 2"})
        for name, serial in named.items()
    ]
    other = make_robot(organization_b, name="robot one", serial_number="SN-1")
    owners = [organization_a, organization_a, organization_b]
    for owner, robot, value in zip(owners, [*robots, other], (10.0, 20.0, 99.0), strict=True):
        with tenant(owner):
            times = [START + timedelta(seconds=30 * number) for number in range(11)]
            points = [(time, value + number) for number, time in enumerate(times)]
            telemetry_points.insert_points(robot, "temperature.motor_1", points, unit="Cel")
            roll_up(robot.organization_id)
    with tenant(organization_a):
        telemetry_points.insert_points(
            robots[0], "temperature_motor.1", [(START, 5.0), (START + timedelta(seconds=30), 8.0)]
        )
    return robots


@pytest.fixture
def api(organization_a, make_key):
    key = make_key(organization_a, SCOPES)
    return Client(headers={"authorization": f"Bearer {key}"})


def ask(client, path, method="get", **parameters):
    if method == "post":
        body = "&".join(f"{name}={value}" for name, value in parameters.items())
        answer = client.post(URL + path, body, "application/x-www-form-urlencoded")
    else:
        answer = client.get(URL + path, parameters)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert found["status"] == "success"
    return found["data"]


def metrics(data, label="robot"):
    return sorted(one["metric"].get(label) for one in data["result"])


@pytest.mark.parametrize("method", ["get", "post"])
def test_query_returns_newest_values(fleet, api, method):
    data = ask(
        api,
        "query",
        method,
        query='temperature_motor_1{metric="temperature.motor_1"}',
        time=AT + 95,
    )
    assert data["resultType"] == "vector"
    assert [
        one["value"] for one in sorted(data["result"], key=lambda one: one["metric"]["robot"])
    ] == [[AT + 95, "13"], [AT + 95, "23"]]
    one = next(one for one in data["result"] if one["metric"]["robot"] == "robot one")
    assert one["metric"] == {
        "__name__": "temperature_motor_1",
        "metric": "temperature.motor_1",
        "robot": "robot one",
        "robot_id": str(fleet[0].pk),
        "serial_number": "SN-1",
        "vendor": "universal_robots",
        "model": "UR3",
        "facility": "Hall 2",
        "unit": "Cel",
    }


def test_metrics_with_one_name_stay_different_series(fleet, api):
    data = ask(api, "query", query='temperature_motor_1{serial_number="SN-1"}', time=AT + 30)
    found = {one["metric"]["metric"]: one["value"][1] for one in data["result"]}
    assert found == {"temperature.motor_1": "11", "temperature_motor.1": "8"}


def test_query_range_returns_steps(fleet, api):
    data = ask(
        api,
        "query_range",
        query='avg_over_time(temperature_motor_1{robot="robot one",unit="Cel"}[1m])',
        start=AT + 60,
        end=START.replace(minute=3).isoformat().replace("+00:00", "Z"),
        step="1m",
    )
    assert data["resultType"] == "matrix"
    assert [one["values"] for one in data["result"]] == [
        [[AT + 60, "11.5"], [AT + 120, "13.5"], [AT + 180, "15.5"]]
    ]
    assert "__name__" not in data["result"][0]["metric"]


def test_rate_counts_increase_per_second(fleet, api):
    data = ask(api, "query", query='rate(temperature_motor_1{unit="Cel"}[5m])', time=AT + 300)
    assert [float(one["value"][1]) for one in data["result"]] == [pytest.approx(1 / 30)] * 2


def test_query_of_numbers_is_a_scalar(api):
    """Grafana tests its connection with this query."""
    data = ask(api, "query", "post", query="1%2B1", time=AT)
    assert data == {"resultType": "scalar", "result": [AT, "2"]}
    data = ask(api, "query_range", query="1/0", start=AT, end=AT + 1, step=1)
    assert data["result"] == [{"metric": {}, "values": [[AT, "+Inf"], [AT + 1, "+Inf"]]}]


@pytest.mark.parametrize(
    ("selector", "robots"),
    [
        ('{robot="robot one",unit="Cel"}', {"robot one"}),
        ('{robot!="robot one"}', {"robot.two"}),
        ('{unit="Cel",robot=~"robot.(one|two)"}', {"robot one", "robot.two"}),
        (r'{unit="Cel",robot=~"robot\\.two"}', {"robot.two"}),
        ('{unit="Cel",robot=~"robot"}', set()),
        ('{unit="Cel",robot=~"(?i)ROBOT ONE"}', {"robot one"}),
        ('{unit="Cel",robot!~".*one"}', {"robot.two"}),
        ('{unit="Cel",nothing=""}', {"robot one", "robot.two"}),
        ('{unit="Cel",nothing!=""}', set()),
        ('{unit=""}', {"robot one"}),
        ('{facility="Hall 2",metric="temperature_motor.1"}', {"robot one"}),
    ],
)
def test_matchers_choose_series(fleet, api, selector, robots):
    data = ask(api, "series", **{"match[]": selector})
    assert {one["robot"] for one in data} == robots


def test_search_lists_names_and_values(fleet, api):
    assert ask(api, "label/__name__/values") == ["temperature_motor_1"]
    assert ask(api, "label/robot/values") == ["robot one", "robot.two"]
    assert ask(api, "label/robot/values", **{"match[]": '{unit=""}'}) == ["robot one"]
    assert ask(api, "label/unknown/values") == []
    assert ask(api, "label/metric/values", start=AT + 200, end=AT + 900) == ["temperature.motor_1"]
    everything = ["__name__", "facility", "metric", "model", "robot", "robot_id", "serial_number"]
    everything += ["unit", "vendor"]
    assert ask(api, "labels") == everything
    assert "unit" not in ask(
        api, "labels", "post", **{"match[]": '{metric="temperature_motor.1",unit=""}'}
    )
    assert ask(api, "status/buildinfo")["version"]


def test_limit_truncates_with_warning(fleet, api):
    answer = api.get(URL + "label/robot/values", {"limit": 1}).json()
    assert answer["data"] == ["robot one"]
    assert answer["warnings"]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "text"),
    [
        ("query", {"query": "sum(up)"}, 422, "execution", "The function sum is not supported"),
        ("query", {"query": "up + 1"}, 422, "execution", "The operator +"),
        ("query", {"query": "up[5m]"}, 422, "execution", "A range without a function"),
        ("query", {"query": "up{"}, 400, "bad_data", "Unexpected end"),
        ("query", {"query": 'up{robot=~"("}'}, 400, "bad_data", "A regular expression"),
        ("query", {"query": 'up{robot=~"((a{200}){200}){200}"}'}, 400, "bad_data", "A regular"),
        ("query", {}, 400, "bad_data", "The parameter query is missing"),
        ("query", {"query": "up", "time": "soon"}, 400, "bad_data", "The parameter time"),
        ("query", {"query": "up", "time": "1e300"}, 400, "bad_data", "The parameter time"),
        ("query", {"query": "up\0"}, 400, "bad_data", "Unexpected character"),
        (
            "query_range",
            {"query": "up", "start": 2e9, "end": 1e9, "step": 1},
            400,
            "bad_data",
            "end",
        ),
        (
            "query_range",
            {"query": "up", "start": 1e9, "end": 2e9, "step": 1},
            400,
            "bad_data",
            "steps",
        ),
        (
            "query_range",
            {"query": "up", "start": 1e9, "end": 2e9, "step": 0},
            400,
            "bad_data",
            "step",
        ),
        ("query_range", {"query": "up", "start": 1e9, "end": 2e9}, 400, "bad_data", "step"),
        ("series", {}, 400, "bad_data", "match[]"),
        ("series", {"match[]": "1"}, 400, "bad_data", "selector"),
        ("labels", {"match[]": ["up"] * 21}, 400, "bad_data", "at most 20"),
        ("labels", {"limit": "x"}, 400, "bad_data", "limit"),
    ],
)
def test_errors_are_those_of_prometheus(api, path, parameters, status, kind, text):
    answer = api.get(URL + path, parameters)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    assert int(answer["Content-Length"]) == len(answer.content)
    found = answer.json()
    assert set(found) == {"status", "errorType", "error"}
    assert (found["status"], found["errorType"]) == ("error", kind)
    assert text in found["error"]


def test_other_methods_and_media_types_are_rejected(api):
    assert api.post(URL + "label/robot/values").status_code == 405
    answer = api.delete(URL + "query")
    assert (answer.status_code, answer["Allow"]) == (405, "HEAD, GET, POST")
    answer = api.post(URL + "query", {"query": "up"}, "application/json")
    assert (answer.status_code, answer.json()["status"]) == (415, "error")
    assert api.head(URL + "query", {"query": "1"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["query", "query_range", "series", "labels", "label/robot/values", "status/buildinfo"]
)
def test_access_needs_both_scopes(organization_a, make_key, alice, client_for, path):
    assert Client().get(URL + path).status_code == 401
    assert (
        client_for(alice).get(URL + path).status_code == 401
    )  # a session, without CSRF protection
    for scopes in (["telemetry:read"], ["robots:read"], ["telemetry:write"]):
        key = make_key(organization_a, scopes)
        answer = Client(headers={"x-api-key": key}).get(URL + path)
        assert (answer.status_code, answer.json()["errorType"]) == (403, "forbidden")
        assert re.search(r"scope (telemetry|robots):read", answer.json()["error"])


def test_access_token_of_viewer_is_accepted(bob):
    body = {"email": bob.email, "password": PASSWORD}
    pair = Client().post("/api/v1/auth/login", body, "application/json").json()
    client = Client(headers={"authorization": f"Bearer {pair['access_token']}"})
    assert ask(client, "labels") == []


def test_key_of_robot_reads_its_robot_alone(fleet, organization_a, make_key):
    key = make_key(organization_a, SCOPES, robot=fleet[1])
    client = Client(headers={"x-api-key": key})
    assert ask(client, "label/robot/values") == ["robot.two"]
    assert metrics(ask(client, "query", query="temperature_motor_1", time=AT)) == ["robot.two"]


def test_other_organization_is_not_visible(fleet, organization_b, make_key):
    client = Client(headers={"x-api-key": make_key(organization_b, SCOPES)})
    values = [
        one["value"][1]
        for one in ask(client, "query", query="temperature_motor_1", time=AT)["result"]
    ]
    assert values == ["99"]
    own = fleet[0]
    for path in ("series", "labels", "label/robot/values"):
        assert ask(client, path, **{"match[]": f'{{robot_id="{own.pk}"}}'}) == []
    assert ask(client, "query", query=f'{{robot_id="{own.pk}"}}', time=AT)["result"] == []
    assert ask(client, "label/facility/values") == []


@pytest.mark.django_db(transaction=True)
def test_promtool_reads_series(fleet, organization_a, make_key, live_server, tmp_path):
    key = make_key(organization_a, SCOPES)
    server = f"{live_server.url}/prometheus"

    def run(command, *arguments):
        return json.loads(promtool(tmp_path, key, command, server, *arguments))

    query = 'temperature_motor_1{robot="robot one",unit="Cel"}'
    (one,) = run("instant", f"--time={AT + 60:.0f}", query)
    assert (one["metric"]["robot_id"], one["value"]) == (str(fleet[0].pk), [AT + 60, "12"])
    (one,) = run("range", f"--start={AT:.0f}", f"--end={AT + 120:.0f}", "--step=1m", query)
    assert one["values"] == [[AT, "10"], [AT + 60, "12"], [AT + 120, "14"]]
