"""Retirement closes what would stay open, in one transaction, and can be undone."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import Client

from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_report
from apps.audit.models import AuditLog
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import task_complete, task_create, task_start, task_update
from apps.robots.models import Robot, RobotCommand
from apps.robots.services import retirement
from apps.robots.services.robots import robot_register, robot_retire, robot_return_to_service
from tests.support.concurrency import run_concurrently
from tests.support.task_statuses import set_task_status
from urfmp.common.tenancy.context import tenant_transaction

REASON = "The robot Arm was retired."


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name="Arm", serial_number="SN-1")


@pytest.fixture
def plan(organization_a, alice, robot):
    def make(status="scheduled", **fields):
        task = task_create(
            organization_id=organization_a.pk, created_by=alice,
            **{"title": "T", "type": "inspection", "robot": robot, **fields},
        )  # fmt: skip
        set_task_status(MaintenanceTask.objects.filter(pk=task.pk), status)
        task.refresh_from_db()
        return task

    return make


def _report(organization, **fields):
    return alert_report(
        organization_id=organization.pk,
        **{"type": "system", "severity": "error", "title": "Hot", "message": "m", **fields},
    ).alert


@pytest.mark.django_db
def test_open_alerts_are_resolved_with_the_reason(organization_a, robot, make_robot, tenant):
    other = make_robot(organization_a)
    with tenant(organization_a):
        alert, kept = _report(organization_a, robot=robot), _report(organization_a, robot=other)
        general = _report(organization_a)
        robot_retire(robot)
        alert.refresh_from_db()
        assert (alert.is_resolved, alert.resolution) == (True, REASON)
        assert alert.resolved_at is not None
        assert (alert.is_acknowledged, alert.acknowledged_by) == (False, None)
        assert set(Alert.objects.unresolved()) == {kept, general}
        row = AuditLog.objects.get(resource_id=alert.pk, action="robots.robot.retire")
        assert row.after["resolution"] == REASON


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["scheduled", "pending", "overdue", "on_hold"])
def test_planned_tasks_are_cancelled_with_the_reason(organization_a, robot, plan, status, tenant):
    with tenant(organization_a):
        task = plan(status, notes="Bring grease.")
        robot_retire(robot)
        task.refresh_from_db()
        assert task.status == "cancelled"
        assert task.notes == f"Bring grease.\nCancelled: {REASON}"
        row = AuditLog.objects.get(resource_id=task.pk, action="robots.robot.retire")
        assert row.after["status"] == "cancelled"


@pytest.mark.django_db
def test_work_under_way_stays_open(organization_a, robot, plan, tenant):
    with tenant(organization_a):
        task, done = task_start(plan()), plan("completed")
        finished = plan("requires_approval")
        robot_retire(robot)
        for row in (task, done, finished):
            row.refresh_from_db()
        assert (finished.status, finished.notes) == ("requires_approval", REASON)
        assert (task.status, task.notes) == ("in_progress", REASON)
        assert (done.status, done.notes) == ("completed", None)
        assert task_complete(task, "Dismantled.").notes == f"{REASON}\nDismantled."


@pytest.mark.django_db
def test_waiting_commands_are_cancelled(organization_a, robot, tenant):
    with tenant(organization_a):
        waiting, sent = (
            RobotCommand.objects.create(
                organization=organization_a, robot=robot, type="pause", status=status
            )
            for status in ("pending", "sent")
        )
        robot_retire(robot)
        waiting.refresh_from_db()
        sent.refresh_from_db()
    assert (waiting.status, waiting.error_message, sent.status) == ("cancelled", REASON, "sent")


@pytest.mark.django_db
def test_nothing_happens_if_a_step_fails(organization_a, robot, plan, tenant, monkeypatch):
    def fail(robot, reason):
        raise RuntimeError(reason)

    with tenant(organization_a):
        task, alert = plan(), _report(organization_a, robot=robot)
        monkeypatch.setattr(retirement, "_steps", [*retirement._steps, fail])
        with pytest.raises(RuntimeError, match=REASON), transaction.atomic():
            robot_retire(robot)
        for row in (robot, task, alert):
            row.refresh_from_db()
    assert (robot.is_active, task.status, alert.is_resolved) == (True, "scheduled", False)


@pytest.mark.django_db
def test_second_retirement_changes_nothing(organization_a, robot, tenant):
    with tenant(organization_a):
        first = robot_retire(robot)
        assert robot_retire(robot).version == first.version
        back = robot_return_to_service(robot)
        assert robot_return_to_service(robot).version == back.version


@pytest.mark.django_db
def test_retired_robot_gets_no_task_and_no_alert(organization_a, robot, plan, tenant):
    with tenant(organization_a):
        elsewhere = plan(robot=None)
        robot_retire(robot)
        for call in (
            plan,
            lambda: task_update(elsewhere, robot=robot),
            lambda: _report(organization_a, robot=robot),
        ):
            with pytest.raises(ValidationError) as caught:
                call()
            assert "retired" in caught.value.message_dict["robot"][0]


@pytest.mark.django_db(transaction=True)
def test_task_planned_during_retirement_does_not_stay(organization_a, alice, robot):
    def plan():
        with tenant_transaction(organization_a.pk):
            return task_create(
                organization_id=organization_a.pk, created_by=alice, title="T", type="inspection",
                robot=robot,
            )  # fmt: skip

    def retire():
        with tenant_transaction(organization_a.pk):
            return robot_retire(Robot.objects.get(pk=robot.pk))

    _, planned = run_concurrently(retire, plan)
    with tenant_transaction(organization_a.pk):
        assert not MaintenanceTask.objects.open().exists()
        assert isinstance(planned, ValidationError) or MaintenanceTask.objects.get(pk=planned.pk)


@pytest.mark.django_db
def test_taken_serial_number_says_how_to_return_the_robot(organization_a, robot, tenant):
    with tenant(organization_a):
        robot_retire(robot)
        with pytest.raises(ValidationError) as caught:
            robot_register(
                organization_id=organization_a.pk, name="New", vendor="kuka", serial_number=" SN-1"
            )
    (message,) = caught.value.message_dict["serial_number"]
    assert "The retired robot Arm has this serial number." in message
    assert f"POST /api/v1/robots/{robot.pk}/return-to-service" in message


@pytest.mark.django_db
def test_api_returns_robot_to_service(
    organization_a, organization_b, robot, alice, bob, charlie, client_for, make_key
):
    client, path = client_for(alice), f"/api/v1/robots/{robot.pk}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204
    for user, status in ((bob, 403), (charlie, 404)):
        assert client_for(user).post(f"{path}/return-to-service").status_code == status
    answer = client.post(f"{path}/return-to-service")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["is_active"], answer.json()["lifecycle"]) == (True, "active")
    assert client.post(f"{path}/return-to-service").json()["version"] == answer.json()["version"]
    key = make_key(organization_a, ["robots:write"])
    assert client.delete(path).status_code == 204
    answer = Client().post(f"{path}/return-to-service", headers={"x-api-key": key})
    assert answer.status_code == 200
