"""Contact, silence and lost connections of robots."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import AuditLog
from apps.organizations.models import Organization
from apps.organizations.services.organizations import organization_update
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.services import presence
from apps.robots.services.presence import (
    robot_presence_lost,
    robots_touch,
    robots_update_presence,
)
from apps.robots.services.robots import robot_retire, robot_update
from apps.robots.services.status import robot_report_status
from apps.robots.tasks import mark_offline
from tests.support.concurrency import run_concurrently
from tests.support.status_history import history_of
from urfmp.common.tenancy.context import tenant_transaction

MANY = 40


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the clock to seconds after the start of the test."""
    start = timezone.now()

    def at(seconds):
        monkeypatch.setattr("django.utils.timezone.now", lambda: start + timedelta(seconds=seconds))

    at(0)
    return at


@pytest.fixture
def running(organization_a, make_robot, tenant):
    """Return a function that registers a robot which has reported that it runs."""

    def make(**fields):
        robot = make_robot(organization_a, **fields)
        with tenant(organization_a):
            robot_report_status(robot_id=robot.pk, status="running")
        return robot

    return make


def status_of(robot):
    return Robot.objects.values_list("status", flat=True).get(pk=robot.pk)


def test_grace_time_of_robot_outranks_organization(
    clock, running, organization_a, tenant, settings
):
    settings.ROBOT_OFFLINE_AFTER = timedelta(seconds=20)
    default, patient = running(), running(offline_after_seconds=90)
    with tenant(organization_a):
        clock(21)
        assert robots_update_presence() == 1
        assert (status_of(default), status_of(patient)) == ("offline", "running")
        organization_update(organization_a, settings={"offline_after_seconds": 30})
        assert robots_update_presence() == 1
        assert history_of(default)[-2:] == [
            ("running", "offline", "No data for 20 seconds."),
            ("offline", "running", "The time until robots are offline was extended."),
        ]
        clock(31)
        assert robots_update_presence() == 1
        clock(91)
        assert robots_update_presence() == 1
        assert history_of(patient)[-1] == ("running", "offline", "No data for 90 seconds.")


def test_robot_without_contact_is_offline(make_robot, organization_a, tenant):
    robot = make_robot(organization_a, offline_after_seconds=86_400)
    with tenant(organization_a):
        assert robots_update_presence() == 0
        assert not robot_presence_lost(robot_id=robot.pk)
        assert (status_of(robot), len(history_of(robot))) == ("offline", 1)


def test_presence_lost_is_immediate_until_next_contact(clock, running, organization_a, tenant):
    robot = running()
    with tenant(organization_a):
        clock(1)
        assert robot_presence_lost(robot_id=robot.pk)
        assert not robot_presence_lost(robot_id=robot.pk)
        clock(2)
        assert robots_touch([robot.pk]) == 1
        assert history_of(robot)[-2:] == [
            ("running", "offline", "Connection lost."),
            ("offline", "running", "Reconnected."),
        ]
        assert not AuditLog.objects.filter(
            resource_id=robot.pk, action__contains="presence"
        ).exists()


def test_presence_lost_of_earlier_connection_is_ignored(clock, running, organization_a, tenant):
    start = timezone.now()
    robot = running()
    with tenant(organization_a):
        clock(10)
        robots_touch([robot.pk])
        lost_at = start + timedelta(seconds=9)
        assert not robot_presence_lost(robot_id=robot.pk, lost_at=lost_at)
        assert status_of(robot) == "running"
        lost_at = start + timedelta(seconds=10)
        assert robot_presence_lost(robot_id=robot.pk, lost_at=lost_at, reason="Last will.")
        assert history_of(robot)[-1] == ("running", "offline", "Last will.")


def test_presence_lost_of_other_organization_is_not_found(
    running, organization_b, organization_a, tenant
):
    robot = running()
    with tenant(organization_b), pytest.raises(Robot.DoesNotExist):
        robot_presence_lost(robot_id=robot.pk)
    with tenant(organization_a):
        assert status_of(robot) == "running"


def test_presence_lost_of_locked_robot_shows_after_release(running, organization_a, tenant):
    robot = running()
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(maintenance_locked_at=timezone.now())
        assert robots_update_presence() == 1
        assert robot_presence_lost(robot_id=robot.pk)
        assert status_of(robot) == "maintenance"
        Robot.objects.filter(pk=robot.pk).update(maintenance_locked_at=None)
        assert robots_update_presence() == 1
        assert history_of(robot)[-1] == ("maintenance", "offline", "Connection lost.")


def test_release_of_stop_latch_resumes_reported_status(running, organization_a, tenant):
    robot = running()
    with tenant(organization_a):
        latched_at = timezone.now()
        Robot.objects.filter(pk=robot.pk).update(stop_latched_at=latched_at)
        assert robots_update_presence() == 1
        last = RobotStatusHistory.objects.filter(robot_id=robot.pk).latest("time")
        assert (last.status, list(last.metadata)) == ("emergency_stop", ["stop_latched_at"])
        Robot.objects.filter(pk=robot.pk).update(stop_latched_at=None)
        assert robots_update_presence() == 1
        assert history_of(robot)[-1] == ("emergency_stop", "running", "Stop latch released.")


def test_silence_of_many_robots_takes_few_statements(
    clock, running, organization_a, tenant, django_assert_max_num_queries
):
    robots = [running() for _ in range(MANY)]
    with tenant(organization_a):
        clock(61)
        with (
            patch("apps.robots.services.status_changes.publish") as publish,
            django_assert_max_num_queries(7),
        ):
            assert robots_update_presence() == MANY
        clock(62)
        with django_assert_max_num_queries(7):
            assert robots_touch([robot.pk for robot in robots]) == MANY
        for robot in robots:
            assert [status for _, status, _ in history_of(robot)][-2:] == ["offline", "running"]
    assert publish.call_count == 0  # nothing is committed yet


@pytest.mark.django_db(transaction=True)
def test_job_publishes_each_robot_and_repeats_what_is_left(
    clock, running, organization_a, monkeypatch
):
    monkeypatch.setattr(presence, "_MAX_ROBOTS_PER_TRANSACTION", 3)
    robots = {running().pk for _ in range(7)}
    clock(61)
    with patch("apps.robots.services.status_changes.publish") as publish:
        assert mark_offline(0) == 7
    calls = [call.args for call in publish.call_args_list]
    assert {organization for organization, *_ in calls} == {organization_a.pk}
    events = [event for _, *events in calls for event in events]
    assert len(calls) == 3
    assert {event.robot_id for event in events} == robots
    assert {event.status for event in events} == {"offline"}
    assert mark_offline(0) == 0


@pytest.mark.django_db(transaction=True)
def test_killed_job_leaves_robots_to_the_next_one(clock, running, organization_a):
    robots = [running() for _ in range(3)]
    clock(61)

    def die():
        with tenant_transaction(organization_a.id):
            assert robots_update_presence() == 3
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    (outcome,) = run_concurrently(die)
    assert isinstance(outcome, DatabaseError)
    with tenant_transaction(organization_a.id):
        assert {status_of(robot) for robot in robots} == {"running"}
    assert mark_offline(0) == 3
    with tenant_transaction(organization_a.id):
        for robot in robots:
            assert [status for _, status, _ in history_of(robot)] == [
                "offline", "running", "offline",
            ]  # fmt: skip


@pytest.mark.parametrize("path", ["robots", "organizations/1", "nothing"])
def test_request_of_robot_is_contact(path, organization_a, make_robot, make_key, tenant):
    robot, other = make_robot(organization_a), make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=robot)
    Client().get(f"/api/v1/{path}", headers={"x-api-key": key})
    with tenant(organization_a):
        # A path without a view authenticates no one.
        assert status_of(robot) == ("offline" if path == "nothing" else "online")
        assert status_of(other) == "offline"


def test_rejected_telemetry_of_robot_is_contact(organization_a, make_robot, make_key, tenant):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot)
    response = Client().post(
        "/api/v1/telemetry",
        {"points": [{"metric_name": ""}]},
        content_type="application/json",
        headers={"x-api-key": key},
    )
    assert response.status_code == 422
    with tenant(organization_a):
        assert status_of(robot) == "online"


@pytest.mark.parametrize("permissions", [["robots:read"], ["telemetry:write"]])
def test_request_of_integration_is_no_contact(
    permissions, organization_a, make_robot, make_key, tenant
):
    robot = make_robot(organization_a)
    key = make_key(organization_a, permissions)
    Client().get(f"/api/v1/robots/{robot.pk}", headers={"x-api-key": key})
    with tenant(organization_a):
        assert status_of(robot) == "offline"


def test_request_with_revoked_key_is_no_contact(organization_a, make_robot, make_key, tenant):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=robot)
    with tenant(organization_a):
        robot_retire(robot)
    response = Client().get("/api/v1/robots", headers={"x-api-key": key})
    assert response.status_code == 401
    with tenant(organization_a):
        assert Robot.objects.get(pk=robot.pk).last_seen is None


@pytest.mark.parametrize("seconds", [4, 86_401, -1])
def test_grace_time_out_of_bounds_is_rejected(seconds, organization_a, make_robot, tenant, bob):
    robot = make_robot(organization_a)
    with tenant(organization_a), pytest.raises(Exception, match="offline_after_seconds"):
        robot_update(robot, offline_after_seconds=seconds)


def test_grace_time_is_set_in_admin_and_api(alice, client_for, organization_a, make_robot, tenant):
    robot, client = make_robot(organization_a), client_for(alice)
    response = client.patch(
        f"/api/v1/robots/{robot.pk}",
        {"offline_after_seconds": 120},
        content_type="application/json",
    )
    assert (response.status_code, response.json()["offline_after_seconds"]) == (200, 120)
    response = client.patch(
        f"/api/v1/robots/{robot.pk}", {"offline_after_seconds": 4}, content_type="application/json"
    )
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    page = client.get(reverse("admin:robots_robot_change", args=[robot.pk])).content.decode()
    assert 'name="offline_after_seconds"' in page
    page = client.get(
        reverse("admin:organizations_organization_change", args=[organization_a.pk])
    ).content.decode()
    assert 'name="offline_after_seconds"' in page
    response = client.patch(
        f"/api/v1/organizations/{organization_a.pk}",
        {"settings": {"offline_after_seconds": 300}},
        content_type="application/json",
    )
    assert response.status_code == 200
    with tenant(organization_a):
        stored = Organization.objects.get(pk=organization_a.pk)
    assert stored.effective_settings.offline_after_seconds == 300
