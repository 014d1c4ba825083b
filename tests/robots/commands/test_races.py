"""Concurrent acts on one command or one robot: each has one of the allowed orders."""

from __future__ import annotations

import pytest

from apps.robots.exceptions import CommandStateError, StopLatchedError
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.decisions import command_cancel, command_settle
from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from apps.robots.services.commands.reports import command_acknowledge, command_report_result
from apps.robots.services.robots import robot_retire
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


def test_concurrent_claims_hand_each_command_over_once(commanded):
    created = {commanded.create("load_program", payload={"program": "A"}).pk for _ in range(8)}
    claimed = []
    while found := run_concurrently(*[commanded.claim] * 4):
        assert all(row is None or isinstance(row, RobotCommand) for row in found), found
        claimed += [row.pk for row in found if row]
        if not any(found):
            break
    assert len(claimed) == len(created) == 8
    assert set(claimed) == created


def test_concurrent_claims_hand_over_one_motion_command(commanded):
    for _ in range(3):
        commanded.create("start")
    found = run_concurrently(*[commanded.claim] * 4)
    assert [row.type for row in found if row] == ["start"]


def test_claim_and_cancel_exclude_each_other(commanded):
    for _ in range(ROUNDS):
        command = commanded.create()
        claimed, cancelled = run_concurrently(
            commanded.claim, lambda command=command: commanded.do(command_cancel, command, None)
        )
        status = commanded.read(command).status
        if status == "sent":
            assert claimed.pk == command.pk
            assert isinstance(cancelled, CommandStateError)
        else:
            assert (status, claimed, cancelled.status) == ("cancelled", None, "cancelled")


def test_claim_and_expiry_exclude_each_other(commanded):
    for _ in range(ROUNDS):
        command = commanded.create()
        commanded.pass_time(599.9)  # it expires now, before or after the claim reads it
        claimed, _ = run_concurrently(commanded.claim, lambda: commanded.do(commands_expire))
        status = commanded.read(command).status
        assert (claimed is not None) is (status == "sent")
        assert status in {"sent", "timeout", "pending"}
        if status == "pending":  # neither saw it expired
            commanded.do(command_cancel, command, None)


def test_acknowledgement_and_job_exclude_each_other(commanded):
    for _ in range(ROUNDS):
        command = commanded.create()
        assert commanded.claim()
        commanded.pass_time(10)
        acknowledged, _ = run_concurrently(
            lambda command=command: commanded.report(command_acknowledge, command),
            lambda: commanded.do(commands_mark_unknown),
        )
        status = commanded.read(command).status
        if status == "unknown":
            assert isinstance(acknowledged, CommandStateError)
        else:
            assert (status, acknowledged.status) == ("acknowledged", "acknowledged")


def test_late_result_and_settlement_exclude_each_other(commanded, alice):
    for _ in range(ROUNDS):
        command = commanded.create()
        assert commanded.claim()
        commanded.pass_time(11)
        assert commanded.do(commands_mark_unknown) == 1
        reported, settled = run_concurrently(
            lambda command=command: commanded.report(
                command_report_result, command, outcome="completed"
            ),
            lambda command=command: commanded.do(
                command_settle, command, alice, outcome="failed", note="It did not move."
            ),
        )
        errors = [isinstance(result, CommandStateError) for result in (reported, settled)]
        assert sorted(errors) == [False, True], (reported, settled)
        row = commanded.read(command)
        assert row.status == ("completed" if errors[1] else "failed")
        assert row.settled_by_id == (None if errors[1] else alice.pk)


def test_retirement_leaves_no_pending_command(make_commanded, organization_a):
    for _ in range(ROUNDS):
        robot = make_commanded(organization_a)
        robot.create()
        run_concurrently(robot.claim, lambda robot=robot: robot.do(robot_retire, robot.robot))
        statuses = robot.do(
            lambda robot=robot: [
                row.status for row in RobotCommand.objects.filter(robot=robot.robot)
            ]
        )
        assert statuses in (["sent"], ["cancelled"])


def test_latched_stop_and_creation_have_an_order(commanded):
    from django.utils import timezone

    command = commanded.create()
    commanded.update(stop_latched_at=timezone.now())
    assert commanded.claim() is None
    assert commanded.read(command).status == "rejected"
    with pytest.raises(StopLatchedError):
        commanded.create()
    assert commanded.do(Robot.objects.get, pk=commanded.robot.pk).stop_latched_at
