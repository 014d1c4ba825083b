"""The second user of dangerous commands, and the user who controls a robot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.accounts.models import User
from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.organizations.models import Organization
from apps.robots.exceptions import (
    ApprovalByAuthorError,
    CommandStateError,
    LeaseHeldError,
    StopLatchedError,
)
from apps.robots.models import Robot
from apps.robots.services.commands.approvals import command_approve, command_reject
from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from apps.robots.services.commands.leases import lease_release, lease_take_over
from apps.robots.services.commands.reports import command_report_result
from apps.robots.services.commands.stop_requests import stop_requests_create
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)

FIRMWARE = {"type": "update_firmware", "payload": {"version": "5.21"}}


@pytest.fixture
def olga(make_user, organization_a):
    return make_user(organization_a, "operator", first_name="Olga")


@pytest.fixture
def strict(commanded):
    """A robot of an organization that requires second approvals."""
    commanded.do(Organization.objects.update, settings={"second_approval_required": True})
    return commanded


def test_dangerous_command_waits_for_a_second_user(strict, alice, olga):
    command = strict.create(user=olga, **FIRMWARE)
    assert command.status == "pending_approval"
    wait = command.approval_due_at - command.created_at
    assert timedelta(minutes=10) <= wait < timedelta(minutes=10, seconds=30)
    assert command.expires_at - command.approval_due_at == timedelta(minutes=10)
    assert strict.claim() is None
    with pytest.raises(ApprovalByAuthorError):
        strict.do(command_approve, command, olga)
    approved = strict.do(command_approve, command, alice)
    assert (approved.status, approved.approved_by_id) == ("pending", alice.pk)
    assert strict.claim().pk == command.pk


def test_command_needs_no_approval_unless_required(commanded, strict, olga):
    assert strict.create("pause", user=olga).status == "pending"
    assert strict.create("reset", user=olga).status == "pending"  # no stop was requested
    commanded.do(Organization.objects.update, settings={})
    assert commanded.create(user=olga, **FIRMWARE).status == "pending"


def test_reset_after_a_stop_needs_a_second_user(strict, alice, olga):
    strict.do(stop_requests_create, robots=[strict.robot], user=olga)
    command = strict.create("reset", user=olga)
    assert command.status == "pending_approval"
    with pytest.raises(StopLatchedError):
        strict.create("pause", user=olga)
    strict.do(command_approve, command, alice)
    assert strict.do(Robot.objects.get, pk=strict.robot.pk).stop_latched_at is None
    assert strict.claim().pk == command.pk


def test_stop_cancels_a_reset_that_waits_for_approval(strict, alice, olga):
    strict.do(stop_requests_create, robots=[strict.robot], user=olga)
    command = strict.create("reset", user=olga)
    strict.do(stop_requests_create, robots=[strict.robot], user=alice)
    assert strict.read(command).status == "cancelled"
    with pytest.raises(CommandStateError):
        strict.do(command_approve, command, alice)


def test_approval_ends_after_ten_minutes(strict, alice, olga):
    command = strict.create(user=olga, **FIRMWARE)
    strict.pass_time(601)
    with pytest.raises(CommandStateError):
        strict.do(command_approve, command, alice)
    assert strict.do(commands_expire) == 1
    row = strict.read(command)
    assert (row.status, row.error_message) == (
        "timeout", "No second user approved the command in time.",
    )  # fmt: skip


def test_rejection_is_by_a_second_user(strict, alice, olga):
    command = strict.create(user=olga, **FIRMWARE)
    with pytest.raises(ApprovalByAuthorError):
        strict.do(command_reject, command, olga)
    row = strict.do(command_reject, command, alice, "Not during the shift")
    assert (row.status, row.cancelled_by_id, row.error_message) == (
        "rejected", alice.pk, "Not approved: Not during the shift",
    )  # fmt: skip


def test_concurrent_approval_and_rejection_exclude_each_other(strict, alice, olga):
    command = strict.create(user=olga, **FIRMWARE)
    results = run_concurrently(
        lambda: strict.do(command_approve, command, alice),
        lambda: strict.do(command_reject, command, alice),
    )
    assert sum(isinstance(result, CommandStateError) for result in results) == 1


def test_motion_command_takes_control_and_denies_others(commanded, alice, olga):
    commanded.create("start", user=olga)
    robot = commanded.do(Robot.objects.get, pk=commanded.robot.pk)
    assert robot.lease_user_id == olga.pk
    with pytest.raises(LeaseHeldError, match="Olga controls the robot") as caught:
        commanded.create("start", user=alice)
    assert caught.value.extra["holder"] == "Olga"
    with pytest.raises(LeaseHeldError):
        commanded.create("start")  # an API key
    assert commanded.create("pause", user=alice).status == "pending"  # does not move the robot


def test_control_expires_after_five_minutes(commanded, alice, olga):
    from django.utils import timezone

    commanded.create("start", user=olga)
    commanded.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    commanded.create("set_speed", user=alice, payload={"speed_percent": 5})
    assert commanded.do(Robot.objects.get, pk=commanded.robot.pk).lease_user_id == alice.pk


def test_take_over_is_audited_and_rejects_waiting_motion(commanded, alice, olga):
    command = commanded.create("start", user=olga)
    commanded.do(lease_take_over, commanded.robot, alice)
    assert commanded.claim() is None
    row = commanded.read(command)
    assert row.status == "rejected"
    assert row.error_message.startswith("Not sent: Alice controls the robot.")
    audited = commanded.do(AuditLog.objects.get, action="robots.robot.take_control")
    assert audited.before == {"lease_user_id": str(olga.pk)}
    assert audited.after == {"lease_user_id": str(alice.pk)}


def test_only_the_holder_releases_control(commanded, alice, olga):
    commanded.do(lease_take_over, commanded.robot, olga)
    with pytest.raises(LeaseHeldError):
        commanded.do(lease_release, commanded.robot, alice)
    commanded.do(lease_release, commanded.robot, olga)
    assert commanded.create("start", user=alice).status == "pending"


def test_command_of_a_deactivated_author_is_rejected(commanded, olga):
    command = commanded.create("pause", user=olga)
    commanded.do(User.objects.filter(pk=olga.pk).update, is_active=False)
    assert commanded.claim() is None
    assert commanded.read(command).error_message == (
        "Not sent: The author of the command may no longer control robots."
    )


def test_command_of_a_user_without_the_role_is_rejected(commanded, olga):
    command = commanded.create("pause", user=olga)
    commanded.do(User.objects.filter(pk=olga.pk).update, role="viewer")
    assert commanded.claim() is None
    assert commanded.read(command).status == "rejected"


def test_command_of_an_approver_without_the_role_is_rejected(strict, alice, olga):
    command = strict.create(user=olga, **FIRMWARE)
    strict.do(command_approve, command, alice)
    strict.do(User.objects.filter(pk=alice.pk).update, role="viewer")
    assert strict.claim() is None
    assert strict.read(command).error_message == (
        "Not sent: The user who approved the command may no longer control robots."
    )


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}])
def test_command_of_former_platform_staff_is_rejected(commanded, root, tenant, change):
    handed_over, rejected = commanded.create(user=root), commanded.create(user=root)
    assert commanded.claim().pk == handed_over.pk
    with tenant(root.organization):
        User.objects.filter(pk=root.pk).update(**change)
    assert commanded.claim() is None
    assert commanded.read(rejected).status == "rejected"


def test_unknown_command_opens_an_alert_which_its_result_resolves(commanded):
    command = commanded.create("start")
    commanded.claim()
    commanded.pass_time(11)
    assert commanded.do(commands_mark_unknown) == 1
    alert = commanded.do(Alert.objects.get)
    assert (alert.severity, alert.type, alert.robot_id) == (
        "error", "command", commanded.robot.pk,
    )  # fmt: skip
    commanded.report(command_report_result, command, outcome="completed", output={"parts": 3})
    alert = commanded.do(Alert.objects.get)
    assert (alert.is_resolved, alert.resolution) == (True, "The command is: completed.")
    assert commanded.read(command).result == {"parts": 3}
