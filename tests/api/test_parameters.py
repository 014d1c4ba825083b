"""What an address may carry after the question mark, and times wherever they come in."""

from __future__ import annotations

import pytest

EMPTY = "Enter a value or omit the parameter."
RANGE = "start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


def errors(answer):
    assert answer.status_code == 400, answer.content
    return answer.json()["errors"]


@pytest.mark.parametrize("name", ["robots", "metrics", "page_size", "cursor"])
def test_parameter_empty_gets_400(name, client, db):
    assert errors(client.get(f"/api/v1/telemetry/latest?{name}=")) == {name: [EMPTY]}


def test_series_parameter_empty_gets_400(client, organization_a, make_robot):
    robot = make_robot(organization_a)
    path = f"/api/v1/robots/{robot.pk}/telemetry/series?metrics=a&{RANGE}"
    for name in ("unit", "max_points", "resolution", "aggregations"):
        assert errors(client.get(f"{path}&{name}=")) == {name: [EMPTY]}


@pytest.mark.parametrize("value", [",", "a,,b", "a,"])
def test_fields_with_empty_name_gets_400(value, client, db):
    for name in ("robots", "metrics"):
        assert set(errors(client.get(f"/api/v1/telemetry/latest?{name}={value}"))) == {name}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("robots/{}/telemetry/series?metrics=a&start={t}&end={t}", ["start", "end"]),
        ("robots/{}/telemetry/histogram?metric=a&start={t}&end={t}", ["start", "end"]),
        ("telemetry/series?robots={}&metrics=a&start={t}&end={t}", ["start", "end"]),
        ("telemetry/export?format=csv&start={t}&end={t}", ["start", "end"]),
        ("robots/{}/status-history?start={t}&end={t}", ["start", "end"]),
        ("robots/{}/status-history/summary?start={t}&end={t}", ["start", "end"]),
        ("robots/{}/status-history/timeline?start={t}&end={t}", ["start", "end"]),
        ("status-history/summary?start={t}&end={t}", ["start", "end"]),
        ("audit-logs?created_after={t}&created_before={t}", ["created_after", "created_before"]),
        ("audit-logs/export?created_after={t}", ["created_after"]),
        ("alerts?created_after={t}&created_before={t}", ["created_after", "created_before"]),
        ("maintenance-tasks?due_before={t}", ["due_before"]),
    ],
)
@pytest.mark.parametrize("time", ["2026-01-31T14:30:00", "2026-01-31 14:30", "2026-01-31"])
def test_datetime_parameter_without_offset_gets_400(
    path, names, time, client, organization_a, make_robot
):
    robot = make_robot(organization_a)
    found = errors(client.get("/api/v1/" + path.format(robot.pk, t=time)))
    assert set(found) == set(names)
    assert {text for texts in found.values() for text in texts} == {
        "Enter a datetime with its offset, such as 2026-01-31T14:30:00Z or with +02:00."
    }
    good = client.get("/api/v1/" + path.format(robot.pk, t="2026-01-31T14:30:00%2B02:00"))
    assert "offset" not in str(good.headers if good.streaming else good.content)


def test_datetime_in_body_without_offset_gets_400(client, organization_a, make_robot):
    robot = make_robot(organization_a)
    body = {"robot": str(robot.pk), "title": "Oil", "type": "preventive", "priority": "low"}
    for time, status in (("2026-01-31T14:30:00", 400), ("2026-01-31T14:30:00+02:00", 201)):
        answer = client.post(
            "/api/v1/maintenance-tasks",
            {**body, "scheduled_at": time},
            content_type="application/json",
        )
        assert answer.status_code == status, answer.content
        assert ("scheduled_at" in answer.json().get("errors", {})) is (status == 400)
