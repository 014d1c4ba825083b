"""Stop requests: latch, cancelled commands, reset, and what must not prevent them."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.audit.services.spool import audit_spool_enter
from apps.robots.choices import CommandStatus
from apps.robots.exceptions import (
    CommandStateError,
    MaintenanceLockedError,
    StopLatchedError,
)
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory
from apps.robots.services.commands.changes import change_status
from apps.robots.services.commands.decisions import command_cancel
from apps.robots.services.commands.expiry import commands_mark_unknown
from apps.robots.services.commands.reports import command_acknowledge, command_report_result
from apps.robots.services.commands.stop_requests import (
    stop_requests_check,
    stop_requests_create,
)
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)


def stop(commanded, user=None, **values):
    (command,) = commanded.do(stop_requests_create, robots=[commanded.robot], user=user, **values)
    return command


def state(commanded):
    robot = commanded.do(Robot.objects.get, pk=commanded.robot.pk)
    return robot.status, robot.stop_latched_at is not None


def actions(commanded):
    return commanded.do(lambda: set(AuditLog.objects.values_list("action", flat=True)))


def test_stop_latches_robot_and_cancels_waiting_commands(commanded, alice):
    waiting = [
        commanded.create("start"),
        commanded.create("load_program", payload={"program": "A"}),
    ]
    command = stop(commanded, alice, reason="Pallet on the floor")
    assert (command.type, command.status, command.lane) == ("emergency_stop", "pending", 0)
    assert state(commanded) == ("emergency_stop", True)
    for row in map(commanded.read, waiting):
        assert row.status == "cancelled"
        assert row.error_message == "Stop requested by Alice: Pallet on the floor"
    last = commanded.do(RobotStatusHistory.objects.filter(robot=commanded.robot).latest, "time")
    assert (last.status, last.reason) == (
        "emergency_stop", "Stop requested by Alice: Pallet on the floor",
    )  # fmt: skip


def test_stop_is_handed_over_first_and_alone_until_reset(commanded, alice):
    for _ in range(3):
        commanded.create("load_program", payload={"program": "A"}, priority="critical")
    first = stop(commanded, alice)
    with pytest.raises(StopLatchedError):
        commanded.create("pause")
    claimed = commanded.claim()
    assert claimed.pk == first.pk
    assert commanded.claim() is None
    commanded.report(command_acknowledge, claimed)
    commanded.report(command_report_result, claimed, outcome="completed")
    assert state(commanded) == ("emergency_stop", True)

    reset = commanded.create("reset", user=alice)
    assert state(commanded) == ("idle", False)
    assert commanded.claim().pk == reset.pk
    assert commanded.create("pause").status == "pending"


def test_stopped_robot_stays_connected(commanded, alice, organization_a, make_key):
    """The emergency stop of the original switched the robot's controller off."""
    key = make_key(organization_a, ["telemetry:write", "commands:write"], robot=commanded.robot)
    command = stop(commanded, alice, reason="Pallet on the floor")
    claimed = commanded.claim()
    # The robot is asked to stop, and for nothing else.
    assert (claimed.pk, claimed.type, claimed.payload) == (
        command.pk, "emergency_stop", {"reason": "Pallet on the floor"},
    )  # fmt: skip
    commanded.report(command_acknowledge, claimed)
    commanded.report(command_report_result, claimed, outcome="completed")
    robot = Client(headers={"x-api-key": key})
    point = {"metric_name": "joint.1.angle", "time": timezone.now().isoformat(), "value": 1.0}
    for path, body in (
        ("telemetry", {"points": [point]}),
        ("device/status", {"status": "emergency_stop"}),
    ):
        answer = robot.post(f"/api/v1/{path}", body, content_type="application/json")
        assert answer.status_code == 200, path
    stored = commanded.do(Robot.objects.get, pk=commanded.robot.pk)
    assert (stored.is_active, stored.lifecycle) == (True, "active")
    assert commanded.do(RobotCommand.objects.count) == 1
    reset = commanded.create("reset", user=alice)
    assert commanded.claim().pk == reset.pk


def test_reset_cancels_stop_requests_that_were_not_fetched(commanded, alice):
    command = stop(commanded)
    commanded.create("reset", user=alice)
    row = commanded.read(command)
    assert (row.status, row.cancelled_by_id) == ("cancelled", alice.pk)
    assert row.error_message == "The robot was reset by Alice."


def test_stop_request_ends_by_reset_alone(commanded, alice, client_for):
    """A cancelled stop request would not reach the robot, although no reset was authorized."""
    command = stop(commanded)
    with pytest.raises(CommandStateError, match="Reset the robot"):
        commanded.do(command_cancel, command, alice)
    assert commanded.read(command).status == "pending"
    page = reverse("admin:robots_robotcommand_change", args=[command.pk])
    assert "/act/cancel/" not in client_for(alice).get(page).content.decode()
    assert commanded.claim().pk == command.pk


def test_stop_reaches_offline_and_locked_robots(commanded):
    commanded.update(status="offline", maintenance_locked_at=timezone.now())
    with pytest.raises(MaintenanceLockedError):
        commanded.create("pause")
    command = stop(commanded)
    assert commanded.claim().pk == command.pk


def test_stop_of_many_robots_is_one_act(make_commanded, organization_a, alice):
    robots = [make_commanded(organization_a) for _ in range(5)]
    waiting = [robot.create("pause") for robot in robots]
    commands = robots[0].do(
        stop_requests_create, robots=[robot.robot for robot in robots], user=alice
    )
    assert {command.robot_id for command in commands} == {robot.robot.pk for robot in robots}
    assert {state(robot) for robot in robots} == {("emergency_stop", True)}
    assert {robots[0].read(row).status for row in waiting} == {"cancelled"}


def test_busy_robot_is_stopped_and_latched_later(commanded, alice):
    """A transaction that keeps the robot's row locked delays neither the stop nor its hand-over."""
    waiting = commanded.create("pause")
    is_locked, may_end = threading.Event(), threading.Event()

    def keep_locked():
        with transaction.atomic(), commanded_transaction(commanded):
            Robot.objects.select_for_update(no_key=True).get(pk=commanded.robot.pk)
            is_locked.set()
            may_end.wait(30)

    def stop_it():
        is_locked.wait(30)
        started = time.monotonic()
        command = stop(commanded, alice)
        claimed = commanded.claim()
        duration = time.monotonic() - started
        may_end.set()
        return command, claimed, duration

    _, (command, claimed, duration) = run_concurrently(keep_locked, stop_it)
    assert claimed.pk == command.pk
    assert duration < 5
    assert state(commanded) == ("idle", False)
    with pytest.raises(StopLatchedError):  # the request alone counts
        commanded.create("pause")
    assert commanded.claim() is None
    assert commanded.read(waiting).status == "rejected"
    commanded.do(stop_requests_check)
    assert state(commanded) == ("emergency_stop", True)
    assert commanded.read(command).latch_due_at is None


def commanded_transaction(commanded):
    from urfmp.common.tenancy.context import tenant_transaction

    return tenant_transaction(commanded.organization_id)


def test_concurrent_stop_and_creation_leave_nothing_waiting(commanded):
    for _ in range(3):
        run_concurrently(lambda: stop(commanded), lambda: commanded.create("pause"))
        rows = commanded.do(
            lambda: list(
                RobotCommand.objects.filter(robot=commanded.robot, type="pause").values_list(
                    "status", flat=True
                )
            )
        )
        assert set(rows) <= {"cancelled"}
        commanded.create("reset")
        while commanded.claim():
            pass


def test_unfetched_stop_opens_an_alert_which_the_hand_over_resolves(commanded):
    command = stop(commanded)
    commanded.do(stop_requests_check)
    assert commanded.do(Alert.objects.count) == 0
    commanded.pass_time(11)
    commanded.do(stop_requests_check)
    commanded.do(stop_requests_check)
    alert = commanded.do(Alert.objects.get)
    assert (alert.severity, alert.title) == ("critical", "The robot did not fetch the stop request")
    assert commanded.claim().pk == command.pk
    assert commanded.do(Alert.objects.get).is_resolved


def test_alert_opened_since_the_stop_was_read_is_resolved_by_the_hand_over(commanded):
    command = stop(commanded)
    read_before = commanded.read(command)
    commanded.pass_time(11)
    commanded.do(stop_requests_check)
    assert not commanded.do(Alert.objects.get).is_resolved
    commanded.do(change_status, read_before, CommandStatus.SENT, sent_at=Now())
    assert commanded.do(Alert.objects.get).is_resolved


def test_stop_has_few_statements(commanded):
    """Each of them waits for a processor while telemetry is ingested."""
    with CaptureQueriesContext(connection) as requested:
        stop(commanded)
    with CaptureQueriesContext(connection) as handed_over:
        commanded.claim()
    assert len(requested) <= 21
    assert len(handed_over) <= 10


def test_unanswered_stop_is_unknown(commanded):
    command = stop(commanded)
    commanded.claim()
    commanded.pass_time(11)
    assert commanded.do(commands_mark_unknown) == 1
    assert commanded.read(command).status == "unknown"
    assert commanded.do(Alert.objects.get).title == "Outcome of Stop request is unknown"
    assert state(commanded) == ("emergency_stop", True)


def test_audit_rows_are_entered_after_the_commit(commanded, alice, owner_cursor):
    stop(commanded, alice)
    rows = commanded.do(lambda: list(AuditLog.objects.filter(action="robots.command.request_stop")))
    assert {row.resource_type for row in rows} == {"command", "robot"}
    assert all(row.seq for row in rows)
    owner_cursor.execute("SELECT count(*) FROM audit_spool")
    assert owner_cursor.fetchone() == (0,)


def test_hand_over_does_not_wait_for_the_audit_log(commanded, alice):
    command = stop(commanded, alice)
    assert commanded.claim().pk == command.pk
    assert "robots.command.hand_over" not in actions(commanded)
    assert audit_spool_enter() == 1  # by a job
    assert "robots.command.hand_over" in actions(commanded)


def test_app_role_cannot_read_or_write_the_spool(app_cursor):
    import psycopg

    for statement in (
        "SELECT * FROM audit_spool",
        "DELETE FROM audit_spool",
        "INSERT INTO audit_spool (entry) VALUES ('{}')",
        "SELECT audit_insert(NULL, now())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_cursor.execute(statement)
        app_cursor.connection.rollback()


def test_spool_keeps_time_actor_and_values(commanded, alice, owner_cursor):
    from urfmp.common.tenancy.context import Actor, tenant_transaction

    actor = Actor(user_id=alice.pk, ip_address="192.0.2.7", request_id="r-1")
    with tenant_transaction(commanded.organization_id, actor):
        stop_requests_create(robots=[commanded.robot], user=alice)
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            moment = cursor.fetchone()[0]
    row = commanded.do(
        AuditLog.objects.get, action="robots.command.request_stop", resource_type="command",
        before__isnull=True,
    )  # fmt: skip
    assert (row.user_id, row.ip_address, row.request_id) == (alice.pk, "192.0.2.7", "r-1")
    assert row.after["type"] == "emergency_stop"
    assert abs((row.created_at - moment).total_seconds()) < 5
    assert audit_spool_enter() == 0
