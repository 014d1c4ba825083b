"""Purge of retired robots: what goes, what stays, who may."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_report
from apps.audit.models import AuditLog
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import task_create
from apps.robots.exceptions import RobotInServiceError
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory, RobotStatusRepeat
from apps.robots.services import purge
from apps.robots.services.purge import robot_purge, robot_purge_run
from apps.robots.services.robots import robot_retire, robot_return_to_service
from apps.robots.services.status import robot_report_status
from apps.robots.tasks import purge as purge_job
from apps.telemetry.models import RobotTelemetry
from urfmp.common.tenancy.context import Actor, tenant_transaction

POINTS = 7


@pytest.fixture
def full_robot(organization_a, make_robot, make_key, alice, tenant):
    """Return a function that registers a robot with rows in every table, and retires it."""

    def make(name="Arm", *, is_retired=True):
        robot = make_robot(organization_a, name=name)
        make_key(organization_a, robot=robot)
        with tenant(organization_a):
            for status in ("idle", "running", "running"):
                robot_report_status(robot_id=robot.pk, status=status, robot_time=timezone.now())
            RobotCommand.objects.create(
                organization=organization_a, robot=robot, user=alice, type="start"
            )
            task_create(
                organization_id=organization_a.pk,
                created_by=alice,
                title="T",
                type="inspection",
                robot=robot,
            )
            alert_report(
                organization_id=organization_a.pk,
                type="system",
                severity="error",
                title="Hot",
                message="m",
                robot=robot,
            )
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
                    " SELECT now() - n * interval '1 day', %s, 'x', n"
                    " FROM generate_series(1, %s) AS n",
                    [robot.pk, POINTS],
                )
            if is_retired:
                robot_retire(robot)
        return robot

    return make


TABLES = (
    RobotTelemetry, RobotStatusHistory, RobotStatusRepeat, RobotCommand, MaintenanceTask, Alert,
)  # fmt: skip


def rows_of(robot):
    return {model.__name__: model.objects.filter(robot_id=robot.pk).count() for model in TABLES}


def run_purge(robot, **actor):
    return robot_purge_run(
        organization_id=robot.organization_id, robot_id=robot.pk, actor=Actor(**actor)
    )


def test_purge_deletes_robot_with_all_rows_and_no_other(full_robot, organization_a, alice, tenant):
    robot, other = full_robot(), full_robot("Other")
    with tenant(organization_a):
        kept = rows_of(other)
        assert all(rows_of(robot).values())
        assert run_purge(robot, user_id=alice.pk)
        assert not any(rows_of(robot).values())
        assert rows_of(other) == kept
        assert not Robot.objects.filter(pk=robot.pk).exists()
        row = AuditLog.objects.get(
            resource_id=robot.pk, action="robots.robot.purge", response_data__isnull=False
        )
    assert row.user_id == alice.pk
    assert row.request_data == {"name": "Arm", "serial_number": robot.serial_number}
    assert row.response_data["deleted"] == {
        "status_changes": 3, "commands": 1, "api_keys": 1, "alerts": 1, "maintenance_tasks": 1,
        "maintenance_schedules": 0,
        "points": POINTS, "imports": 0,
    }  # fmt: skip


def test_purge_leaves_no_row_with_the_robot_in_any_table(full_robot, organization_a, tenant):
    robot = full_robot()
    with tenant(organization_a):
        run_purge(robot)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.table_name FROM information_schema.columns c"
                " JOIN information_schema.tables t USING (table_schema, table_name)"
                " WHERE c.table_schema = 'public' AND c.column_name = 'robot_id'"
                " AND t.table_type = 'BASE TABLE'"
            )
            tables = [name for (name,) in cursor.fetchall()]
            assert len(tables) > 8
            for table in tables:
                cursor.execute(f'SELECT count(*) FROM "{table}" WHERE robot_id = %s', [robot.pk])
                assert cursor.fetchone() == (0,), table


def test_purge_is_enqueued_once_with_its_actor(full_robot, organization_a, alice):
    robot = full_robot()
    for _ in range(2):
        with tenant_transaction(organization_a.pk, Actor(user_id=alice.pk, request_id="r1")):
            robot_purge(robot, name=" Arm ")
    jobs = list(ProcrastinateJob.objects.filter(task_name="robots.purge"))
    assert len(jobs) == 1
    assert jobs[0].args["actor"]["user_id"] == str(alice.pk)
    assert purge_job(**jobs[0].args)
    with tenant_transaction(organization_a.pk):
        assert not Robot.objects.filter(pk=robot.pk).exists()
        rows = AuditLog.objects.filter(resource_id=robot.pk, action__endswith="purge")
        assert set(rows.values_list("user_id", flat=True)) == {alice.pk}
        assert rows.filter(action="robots.robot.request_purge").count() == 1
    assert not purge_job(**jobs[0].args)  # the job is run again after a crash


def test_purge_needs_a_retired_robot_and_its_name(full_robot, organization_a, tenant):
    robot = full_robot(is_retired=False)
    with tenant(organization_a):
        with pytest.raises(RobotInServiceError):
            robot_purge(robot, name="Arm")
        robot_retire(robot)
        for wrong in ("", "arm", "Other", robot.serial_number):
            with pytest.raises(ValidationError, match="not the name"):
                robot_purge(robot, name=wrong)
    assert not ProcrastinateJob.objects.filter(task_name="robots.purge").exists()


def test_purge_of_returned_robot_keeps_it(full_robot, organization_a, tenant):
    robot = full_robot()
    with tenant(organization_a):
        robot_purge(robot, name="Arm")
        robot_return_to_service(robot)
        before = rows_of(robot)
        assert not run_purge(robot)
        assert rows_of(robot) == before
        row = AuditLog.objects.get(resource_id=robot.pk, action="robots.robot.purge")
    assert (row.success, row.error_message) == (False, "The robot was returned to service.")


def test_purge_that_fails_deletes_nothing(full_robot, organization_a, tenant, monkeypatch):
    robot = full_robot()

    def fail(_robot):
        raise ZeroDivisionError

    monkeypatch.setitem(purge._steps, "last", fail)
    with tenant(organization_a):
        before = rows_of(robot)
        with pytest.raises(ZeroDivisionError):
            run_purge(robot)
        assert rows_of(robot) == before
        assert Robot.objects.filter(pk=robot.pk).exists()


def test_purge_of_other_organization_finds_nothing(
    full_robot, organization_a, organization_b, tenant
):
    robot = full_robot()
    assert not robot_purge_run(organization_id=organization_b.pk, robot_id=robot.pk, actor=Actor())
    with tenant(organization_a):
        assert Robot.objects.filter(pk=robot.pk).exists()
    assert not robot_purge_run(organization_id=organization_b.pk, robot_id=uuid4(), actor=Actor())


def _api(client, robot, **body):
    return client.post(f"/api/v1/robots/{robot.pk}/purge", body, content_type="application/json")


def test_api_purges_for_admins_with_recent_password(
    full_robot, organization_a, alice, make_user, make_key, client_for, monkeypatch
):
    robot = full_robot()
    client = client_for(alice)
    manager = client_for(make_user(organization_a, "manager"))
    assert _api(manager, robot, name="Arm").status_code == 403
    key = make_key(organization_a, ["robots:read", "robots:write", "robots:command"])
    assert _api(Client(headers={"x-api-key": key}), robot, name="Arm").status_code == 403
    response = _api(client, robot, name="Leg")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert "name" in response.json()["errors"]
    assert _api(client, robot).status_code == 400
    assert _api(client, robot, name="Arm").status_code == 202
    later = time.time() + 16 * 60
    monkeypatch.setattr("urfmp.common.security.recent_auth.time.time", lambda: later)
    response = _api(client, robot, name="Arm")
    assert (response.status_code, response.json()["code"]) == (403, "step_up_required")


def test_admin_purges_after_typed_confirmation(
    full_robot, organization_a, alice, make_user, client_for, tenant
):
    robot = full_robot()
    client = client_for(alice)
    address = reverse("admin:robots_robot_act", args=[robot.pk, "purge"])
    page = client.get(address).content.decode()
    assert "Purge Arm and all its data?" in page
    response = client.post(address, {"_confirm": "1", "name": "Leg"}, follow=True)
    assert "not the name of the robot" in response.content.decode()
    assert not ProcrastinateJob.objects.filter(task_name="robots.purge").exists()
    response = client.post(address, {"_confirm": "1", "name": "Arm"}, follow=True)
    assert "Arm is being purged." in response.content.decode()
    assert ProcrastinateJob.objects.filter(task_name="robots.purge").count() == 1
    manager = client_for(make_user(organization_a, "manager"))
    assert manager.post(address, {"_confirm": "1", "name": "Arm"}).status_code == 403
    change = reverse("admin:robots_robot_change", args=[robot.pk])
    assert address in client.get(change).content.decode()
    with tenant(organization_a):
        robot_return_to_service(robot)
    assert address not in client.get(change).content.decode()
