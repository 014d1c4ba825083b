from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.robots import robot_status_counts
from apps.robots.services.presence import robots_touch, robots_update_presence
from apps.robots.services.robots import (
    robot_retire,
)
from apps.robots.services.status import robot_report_status
from apps.robots.tasks import mark_offline
from tests.support.concurrency import run_concurrently
from tests.support.status_history import history_of
from urfmp.common.tenancy.context import tenant_transaction


def test_touch_writes_last_seen_every_5_seconds(organization_a, make_robot, tenant, monkeypatch):
    robot, start = make_robot(organization_a), timezone.now()

    def touch_after(seconds):
        monkeypatch.setattr(
            "apps.robots.services.status.timezone.now", lambda: start + timedelta(seconds=seconds)
        )
        return robots_touch([robot.pk])

    with tenant(organization_a):
        assert [touch_after(s) for s in (0, 1, 4.9, 5.1, 10, 10.2)] == [1, 0, 0, 1, 0, 1]
        assert [status for _, status, _ in history_of(robot)] == ["offline", "online"]


def test_stale_robot_goes_offline_and_reconnects(
    organization_a, make_robot, tenant, monkeypatch, settings
):
    robot, start = make_robot(organization_a), timezone.now()

    def at(seconds):
        monkeypatch.setattr(
            "apps.robots.services.status.timezone.now", lambda: start + timedelta(seconds=seconds)
        )

    grace = settings.ROBOT_OFFLINE_AFTER.total_seconds()
    with tenant(organization_a):
        at(0)
        robot_report_status(robot_id=robot.pk, status="running", reason="Program 7")
        at(grace)
        assert robots_update_presence() == 0
        at(grace + 1)
        assert robots_update_presence() == 1
        assert robots_update_presence() == 0
        at(grace + 2)
        assert robots_touch([robot.pk]) == 1
        assert history_of(robot) == [
            (None, "offline", None),
            ("offline", "running", "Program 7"),
            ("running", "offline", f"No data for {grace:.0f} seconds."),
            ("offline", "running", "Reconnected."),
        ]
    at(grace * 10)
    assert mark_offline(0) == 1  # the job covers every organization


def test_reason_and_metadata_apply_to_one_change(organization_a, make_robot, tenant):
    robot, other = make_robot(organization_a), make_robot(organization_a)
    time = timezone.now()
    with tenant(organization_a):
        robot_report_status(
            robot_id=robot.pk, status="error", reason="C4A12", robot_time=time, metadata={"x": 1}
        )
        Robot.objects.filter(pk=other.pk).update(status="idle")
        last = RobotStatusHistory.objects.filter(robot_id=robot.pk).latest("time")
        assert last.metadata == {"x": 1, "robot_time": time.isoformat()}
        assert history_of(other)[-1] == ("offline", "idle", None)


def test_repeated_status_writes_no_history_row(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        for _ in range(3):
            robot_report_status(robot_id=robot.pk, status="idle", reason="again")
        assert [status for _, status, _ in history_of(robot)] == ["offline", "idle"]


def test_other_organization_cannot_report_or_touch(
    organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a)
    with tenant(organization_b):
        assert robots_touch([robot.pk]) == 0
        with pytest.raises(Robot.DoesNotExist):
            robot_report_status(robot_id=robot.pk, status="idle")


@pytest.mark.django_db(transaction=True)
def test_concurrent_reports_leave_consistent_history(organization_a, make_robot):
    """Each row begins with the previous row's status; the last one is the effective status."""
    robot, other = make_robot(organization_a), make_robot(organization_a)
    both = sorted([robot.pk, other.pk])

    def report(statuses):
        def run():
            for status in statuses:
                with tenant_transaction(organization_a.id):
                    robot_report_status(robot_id=robot.pk, status=status)
                with tenant_transaction(organization_a.id):
                    Robot.objects.filter(pk=other.pk).update(last_seen=None)
                with tenant_transaction(organization_a.id):
                    robots_touch(both[::-1])
                with tenant_transaction(organization_a.id):
                    robots_update_presence()

        return run

    outcome = run_concurrently(
        report(["idle", "running"] * 4), report(["error", "stopped"] * 4), report(["charging"] * 8)
    )
    assert outcome == [None, None, None]
    for one in (robot, other):
        with tenant_transaction(organization_a.id):
            rows = history_of(one)
            one.refresh_from_db()
        statuses = [status for _, status, _ in rows]
        assert [before for before, _, _ in rows] == [None, *statuses[:-1]]
        assert statuses[-1] == one.status
    assert len(rows) >= 2


def test_status_counts_exclude_retired(organization_a, alice, make_robot, tenant):
    robot = make_robot(organization_a)
    retired = make_robot(organization_a)
    make_robot(organization_a)
    with tenant(organization_a):
        robot_report_status(robot_id=robot.pk, status="idle")
        robot_retire(retired)
        assert robot_status_counts(alice) == {"offline": 1, "idle": 1}
