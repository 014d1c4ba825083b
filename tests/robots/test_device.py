"""The API for robots."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.robots.models import RobotStatusHistory


def report(key, **body):
    return Client().post(
        "/api/v1/device/status", body, content_type="application/json", headers={"x-api-key": key}
    )


def test_device_status_is_stored(organization_a, make_robot, make_key, tenant):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot)
    response = report(
        key,
        status="stopped",
        reason="Protective stop",
        time="2025-01-02T03:04:05+01:00",
        metadata={"code": 7},
    )
    assert (response.status_code, response.json()) == (200, {"status": "stopped"})
    with tenant(organization_a):
        last = RobotStatusHistory.objects.filter(robot_id=robot.pk).latest("time")
    assert last.reason == "Protective stop"
    assert last.metadata == {"code": 7, "reported_at": "2025-01-02T02:04:05+00:00"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "offline"},
        {"status": "maintenance"},
        {"status": 1},
        {"status": None},
        {"status": "idle", "mood": "good"},
        {"status": "idle", "reason": "x" * 1001},
        {"status": "idle", "metadata": [1]},
        {"status": "idle", "time": "yesterday"},
        {"status": "idle", "time": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_device_status_with_invalid_body_returns_400(body, organization_a, make_robot, make_key):
    key = make_key(organization_a, robot=make_robot(organization_a))
    response = report(key, **body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_device_status_requires_key_of_robot(
    organization_a, make_robot, make_key, alice, client_for
):
    robot = make_robot(organization_a)
    assert report(make_key(organization_a), status="idle").status_code == 403
    assert (
        report(make_key(organization_a, ["robots:read"], robot=robot), status="idle").status_code
        == 403
    )
    response = client_for(alice).post(
        "/api/v1/device/status", {"status": "idle"}, content_type="application/json"
    )
    assert response.status_code == 403
