"""The maintenance lock: it ends what waits for a robot, and only stop requests pass it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditLog
from apps.robots.exceptions import MaintenanceLockedError, RobotRetiredError
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.stop_requests import stop_requests_create
from apps.robots.services.maintenance_lock import maintenance_lock_release, maintenance_lock_set
from apps.robots.services.robots import robot_retire
from apps.robots.services.status import robot_report_status
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)


def lock(commanded, user=None):
    return commanded.do(maintenance_lock_set, commanded.robot, user)


def release(commanded, user=None):
    return commanded.do(maintenance_lock_release, commanded.robot, user)


def test_lock_cancels_waiting_commands_in_its_transaction(commanded, alice):
    sent = commanded.create("pause")
    assert commanded.claim().pk == sent.pk
    due = commanded.create("start")
    unapproved = commanded.do(
        RobotCommand.objects.create,
        organization_id=commanded.organization_id,
        robot=commanded.robot,
        type="update_firmware",
        status="pending_approval",
    )
    assert lock(commanded, alice).status == "maintenance"
    for command in (due, unapproved):
        row = commanded.read(command)
        assert (row.status, row.error_message) == (
            "cancelled", "Locked for maintenance by Alice.",
        )  # fmt: skip
    assert commanded.read(sent).status == "sent"
    assert commanded.claim() is None
    with pytest.raises(MaintenanceLockedError):
        commanded.create("pause")
    audited = commanded.do(AuditLog.objects.filter, action="robots.robot.lock_for_maintenance")
    assert commanded.do(audited.count) == 3  # the robot and two commands


def test_stop_request_passes_the_lock(commanded):
    stop = commanded.do(stop_requests_create, robots=[commanded.robot], user=None)[0]
    lock(commanded)
    assert commanded.claim().pk == stop.pk


def test_release_returns_the_reported_status(commanded):
    version = commanded.robot.version
    lock(commanded)
    lock(commanded)
    commanded.do(robot_report_status, robot_id=commanded.robot.pk, status="running")
    robot = release(commanded)
    assert (robot.status, robot.maintenance_locked_at) == ("running", None)
    assert release(commanded).version == version + 2
    assert commanded.create("pause").status == "pending"


def test_retired_robot_is_not_locked(commanded):
    commanded.do(robot_retire, commanded.robot)
    with pytest.raises(RobotRetiredError):
        lock(commanded)


def test_lock_and_claim_have_an_order(make_commanded, organization_a):
    for _ in range(5):
        robot = make_commanded(organization_a)
        command = robot.create()
        claimed, _ = run_concurrently(robot.claim, lambda robot=robot: lock(robot))
        status = robot.read(command).status
        assert status == ("sent" if claimed else "cancelled")


def test_lock_and_creation_have_an_order(make_commanded, organization_a):
    for _ in range(5):
        robot = make_commanded(organization_a)
        created, _ = run_concurrently(robot.create, lambda robot=robot: lock(robot))
        if isinstance(created, RobotCommand):
            assert robot.read(created).status == "cancelled"
        else:
            assert isinstance(created, MaintenanceLockedError)


def test_technician_locks_in_the_api_and_operator_does_not(
    commanded, organization_a, make_user, client_for, make_key
):
    path = f"/api/v1/robots/{commanded.robot.pk}/lock-for-maintenance"
    operator = client_for(make_user(organization_a, "operator"))
    assert operator.post(path).status_code == 403
    technician = client_for(make_user(organization_a, "technician"))
    answer = technician.post(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "maintenance")
    key = Client(headers={"x-api-key": make_key(organization_a, ["maintenance:write"])})
    answer = key.post(path.replace("lock-for-maintenance", "release-from-maintenance"))
    assert (answer.status_code, answer.json()["maintenance_locked_at"]) == (200, None)


def test_technician_locks_on_the_page(commanded, organization_a, make_user, client_for):
    technician = client_for(make_user(organization_a, "technician"))
    path = reverse("admin:robots_robot_act", args=[commanded.robot.pk, "lock-for-maintenance"])
    page = technician.get(path)
    assert b"not a safety device" in page.content
    assert technician.post(path).status_code == 302
    assert commanded.do(Robot.objects.get, pk=commanded.robot.pk).status == "maintenance"
