"""Corrections through the API."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.permissions.roles import SCOPES
from apps.audit.models import AuditLog
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.services.rollups import roll_up
from tests.support.telemetry_points import insert_points
from urfmp.common.security.recent_auth import RECENT_AUTH_SECONDS

START = (timezone.now() - timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)
METRIC = "power.total"


def at(seconds):
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def deletion(start=0, end=60, **members):
    return {
        "metric_name": METRIC,
        "delete": {"start": at(start), "end": at(end)},
        "reason": "Loose cable",
        **members,
    }


def replacement(*points, **members):
    return {
        "metric_name": METRIC,
        "replace": [{"time": time, "value": value} for time, value in points],
        "reason": "Wrong scale",
        **members,
    }


@pytest.fixture
def robot(organization_a, make_robot):
    robot = make_robot(organization_a)
    points = [(START + timedelta(seconds=n * 20), float(n)) for n in range(6)]
    insert_points(robot, METRIC, points)
    roll_up(organization_a.id)
    return robot


@pytest.fixture
def post(robot, client_for, alice):
    client = client_for(alice)

    def send(body, *, client=client, robot_id=robot.pk, **options):
        return client.post(
            f"/api/v1/robots/{robot_id}/telemetry/corrections",
            body,
            content_type="application/json",
            **options,
        )

    return send


def values(tenant, organization):
    with tenant(organization):
        return [*RobotTelemetry.objects.order_by("time").values_list("value", flat=True)]


def test_delete_answers_what_was_deleted(post, alice, organization_a, tenant):
    answer = post(deletion(expected_points=3))
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert len(body.pop("digest")) == 64
    assert body == {
        "dry_run": False,
        "points": 3,
        "first_time": at(0),
        "last_time": at(40),
        "minimum": 0.0,
        "maximum": 2.0,
    }
    assert values(tenant, organization_a) == [3.0, 4.0, 5.0]
    with tenant(organization_a):
        row = AuditLog.objects.get(action="telemetry.points.delete")
    assert row.request_data["reason"] == "Loose cable"
    assert row.user_id == alice.pk


def test_replace_answers_old_values(post, organization_a, tenant):
    answer = post(replacement((at(0), 10), (at(20), -1.5)))
    assert answer.status_code == 200, answer.content
    assert (answer.json()["points"], answer.json()["maximum"]) == (2, 1.0)
    assert values(tenant, organization_a)[:2] == [10.0, -1.5]


@pytest.mark.parametrize("body", [deletion(dry_run=True), replacement((at(0), 9), dry_run=True)])
def test_dry_run_changes_nothing(post, organization_a, tenant, body):
    del body["reason"]
    answer = post(body)
    assert answer.status_code == 200, answer.content
    assert (answer.json()["dry_run"], answer.json()["digest"]) == (True, None)
    assert answer.json()["points"] == (3 if "delete" in body else 1)
    assert values(tenant, organization_a) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    with tenant(organization_a):
        assert not AuditLog.objects.filter(action__startswith="telemetry.points").exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (deletion(60, 60), 400, "invalid_range"),
        (deletion(expected_points=4), 409, "points_changed"),
        (replacement((at(0), 1), (at(1), 1)), 409, "unknown_points"),
        (replacement((at(0), 1), dry_run=True, metric_name="never.sent"), 409, "unknown_points"),
        (deletion(reason=" "), 400, "invalid"),
        (deletion(reason="x" * 501), 400, "invalid"),
        (deletion(metric_name="Not a name"), 400, "invalid"),
        (deletion(unknown=1), 400, "invalid"),
        (deletion(delete={"start": at(0)}), 400, "invalid"),
        (deletion(delete={"start": "2026-01-01T00:00:00", "end": at(0)}), 400, "invalid"),
        (deletion(replace=[{"time": at(0), "value": 1}]), 400, "invalid"),
        (replacement(expected_points=1), 400, "invalid"),
        (replacement((at(0), 1), expected_points=1), 400, "invalid"),
        (replacement((at(0), 1), (at(0), 2)), 400, "invalid"),
        (replacement((at(0), "1")), 400, "invalid"),
        (replacement((at(0), True)), 400, "invalid"),
        (replacement((at(0), None)), 400, "invalid"),
        (replacement((at(0), 2**53 + 1)), 400, "invalid"),
        (replacement((at(0), 10**400)), 400, "invalid"),
        (replacement(*((at(n), 1) for n in range(1001))), 400, "invalid"),
        ({"metric_name": METRIC, "reason": "x"}, 400, "invalid"),
        ({key: value for key, value in deletion().items() if key != "reason"}, 400, "invalid"),
        ([], 400, "invalid"),
    ],
)
def test_invalid_correction_changes_nothing(post, organization_a, tenant, body, status, code):
    answer = post(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert values(tenant, organization_a) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_permission_can_be_granted(post, make_user, client_for, organization_a):
    manager = client_for(make_user(organization_a, "manager"))
    answer = post(deletion(), client=manager)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "You need the permission telemetry.correct."
    granted = make_user(organization_a, "manager", permissions=["telemetry.correct"])
    assert post(deletion(), client=client_for(granted)).status_code == 200


def test_key_with_every_scope_is_denied(post, make_key, organization_a, tenant):
    key = make_key(organization_a, list(SCOPES))
    answer = post(deletion(), client=Client(headers={"x-api-key": key}))
    assert answer.status_code == 403
    assert "API keys cannot perform this action" in answer.json()["detail"]
    assert len(values(tenant, organization_a)) == 6


def test_old_login_needs_step_up(post, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(
        "urfmp.common.security.recent_auth.time.time",
        lambda: timezone.now().timestamp() + RECENT_AUTH_SECONDS + 1,
    )
    answer = post(deletion())
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert len(values(tenant, organization_a)) == 6


def test_other_organization_gets_404(post, client_for, charlie, organization_a, tenant):
    for robot_id in ({}, {"robot_id": uuid.uuid4()}):
        answer = post(deletion(), client=client_for(charlie), **robot_id)
        assert answer.status_code == 404
    assert len(values(tenant, organization_a)) == 6


def test_repeated_request_with_idempotency_key_is_replayed(post):
    headers = {"Idempotency-Key": "correct-1"}
    first = post(deletion(), headers=headers)
    again = post(deletion(), headers=headers)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert post(deletion()).json()["points"] == 0
