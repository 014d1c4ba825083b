from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
from apps.maintenance.selectors.labour import covered_time, labour_totals
from apps.maintenance.services.tasks import (
    Findings,
    task_cancel,
    task_complete,
    task_correct_duration,
    task_hold,
    task_join,
    task_leave,
    task_reopen,
    task_resume,
    task_start,
    task_update,
)
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.maintenance_lock import maintenance_lock_release, maintenance_lock_set

NOW = timezone.now().replace(microsecond=0)
FINDINGS = Findings(failure="cable", cause="wear", remedy="replaced")


def at(minutes, call, *args, **kwargs):
    with patch("django.utils.timezone.now", lambda: NOW + timedelta(minutes=minutes)):
        return call(*args, **kwargs)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)))
def test_covered_time_counts_each_minute_once(spans):
    minutes = {minute for start, stop in spans for minute in range(start, stop)}
    times = [
        (NOW + timedelta(minutes=start), NOW + timedelta(minutes=stop)) for start, stop in spans
    ]
    assert covered_time(times) == timedelta(minutes=len(minutes))


def test_duration_of_several_users_excludes_pauses(organization_a, alice, bob, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        at(0, task_start, task, alice)
        at(10, task_join, task, bob)
        at(30, task_leave, task, alice)
        at(50, task_hold, task, "No grease.", bob)
        at(500, task_resume, task, alice)
        at(505, task_join, task, bob)
        done = at(520.5, task_complete, task, None, alice)
        assert done.actual_duration == 50 + 21  # rounded up
        totals = {total.user: total.time for total in labour_totals(done)}
        assert totals == {alice: timedelta(minutes=50.5), bob: timedelta(minutes=55.5)}
        actions = AuditLog.objects.filter(resource_type="labour_entry").values_list("action")
        assert {action.rpartition(".")[2] for (action,) in actions} == {
            "start", "join", "leave", "hold", "resume", "complete",
        }  # fmt: skip
        at(600, task_reopen, task, "Leaks.", alice)
        at(700, task_start, task, alice)
        assert at(710, task_complete, task, None, alice).actual_duration == 71 + 10


def test_join_twice_and_leave_without_joining_are_rejected(
    organization_a, alice, bob, make_task, tenant
):
    task = make_task(organization_a)
    with tenant(organization_a):
        task_start(task, alice)
        with pytest.raises(TaskStateError, match="already"):
            task_join(task, alice)
        with pytest.raises(TaskStateError, match="do not work"):
            task_leave(task, bob)
        with pytest.raises(IntegrityError), transaction.atomic():
            LabourEntry.objects.create(
                organization_id=organization_a.pk, task=task, user=alice, started_at=NOW
            )


def test_cancel_ends_labour(organization_a, alice, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        task_start(task, alice)
        task_cancel(task, "sold", alice)
        assert not LabourEntry.objects.running().exists()


def test_task_without_entries_counts_from_start(organization_a, alice, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        MaintenanceTask.objects.update(status="in_progress", started_at=NOW - timedelta(minutes=7))
        assert at(0, task_complete, task, None, alice).actual_duration == 7


def test_entered_duration_is_kept_until_corrected(organization_a, alice, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        at(0, task_start, task, alice)
        assert at(60, task_complete, task, None, alice, actual_duration=45).actual_duration == 45
        for wrong in (-1, 525_601):
            with pytest.raises(ValidationError):
                task_correct_duration(task, wrong, "typo", alice)
        assert task_correct_duration(task, 40, "Lunch.", alice).actual_duration == 40
        event = TaskEvent.objects.get(kind="duration_corrected")
        assert (event.text, event.user) == ("From 45 min to 40 min: Lunch.", alice)
        row = AuditLog.objects.get(action="maintenance.maintenance_task.correct_duration")
        assert (row.before["actual_duration"], row.after["actual_duration"]) == (45, 40)


@pytest.mark.parametrize("kind", ["corrective", "emergency"])
def test_unplanned_work_needs_findings(kind, organization_a, alice, make_task, tenant):
    task = make_task(organization_a, type=kind)
    with tenant(organization_a):
        task_start(task, alice)
        for findings in (None, Findings("cable", "wear"), Findings("cable", "wear", "magic")):
            with pytest.raises(ValidationError) as raised:
                task_complete(task, None, alice, findings=findings)
            assert "remedy_code" in raised.value.message_dict
        done = task_complete(task, None, alice, findings=FINDINGS)
        assert (done.failure_code, done.cause_code, done.remedy_code) == (
            "cable", "wear", "replaced",
        )  # fmt: skip
        task_reopen(task, "Leaks.", alice)
        task_start(task, alice)
        assert task_complete(task, None, alice).failure_code == "cable"


@pytest.fixture
def locking(organization_a, make_robot, make_task):
    robot = make_robot(organization_a)

    def make():
        return make_task(organization_a, robot=robot, locks_robot=True)

    return robot, make


def is_locked(robot):
    return Robot.objects.get(pk=robot.pk).maintenance_locked_at is not None


def test_task_locks_robot_while_in_progress(organization_a, alice, locking, tenant):
    robot, make = locking
    task = make()
    with tenant(organization_a):
        task_start(task, alice)
        robot.refresh_from_db()
        assert (is_locked(robot), robot.status) == (True, "maintenance")
        with pytest.raises(ValidationError, match="on hold"):
            task_update(task, robot=None)
        task_hold(task, "No grease.", alice)
        assert not is_locked(robot)
        task_resume(task, alice)
        assert is_locked(robot)
        task_complete(task, None, alice)
        assert not is_locked(robot)


def test_lock_is_shared_by_tasks_and_released_by_the_last(organization_a, alice, locking, tenant):
    robot, make = locking
    first, second = make(), make()
    with tenant(organization_a):
        task_start(first, alice)
        task_start(second, alice)
        task_complete(first, None, alice)
        assert is_locked(robot)
        task_cancel(second, "no time", alice)
        assert not is_locked(robot)


def test_lock_of_a_user_stays(organization_a, alice, locking, tenant):
    robot, make = locking
    task, other = make(), make()
    with tenant(organization_a):
        maintenance_lock_set(robot, alice)
        task_start(task, alice)
        task_complete(task, None, alice)
        assert is_locked(robot)
        maintenance_lock_release(robot, alice)
        task_start(other, alice)
        maintenance_lock_release(robot, alice)
        maintenance_lock_set(robot, alice)
        task_complete(other, None, alice)
        assert is_locked(robot)


def test_start_with_lock_of_retired_robot_is_rejected(organization_a, alice, locking, tenant):
    robot, make = locking
    task = make()
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(is_active=False, lifecycle="retired")
        with pytest.raises(RobotRetiredError):
            task_start(task, alice)
        task.refresh_from_db()
        assert task.status == "scheduled"


def test_page_asks_for_findings_and_shows_timeline(
    organization_a, alice, bob, client_for, make_task, tenant
):
    client = client_for(alice)
    task = make_task(organization_a, type="corrective")
    page = reverse("admin:maintenance_maintenancetask_change", args=[task.pk])
    view = "admin:maintenance_maintenancetask_act"

    def act(name, **values):
        return client.post(reverse(view, args=[task.pk, name]), values, follow=True)

    assert "started" in act("start").content.decode()
    shown = client.get(page).content.decode()
    assert "Leave the work" in shown
    assert "Join the work" not in shown
    assert "working now" in shown
    assert "Select a valid choice" not in act("complete").content.decode()
    codes = {"failure_code": "cable", "cause_code": "wear", "remedy_code": "replaced"}
    missing = act("complete", _confirm="1", minutes="5", notes="New cable.").content.decode()
    assert "This field is required" in missing
    act("complete", _confirm="1", minutes="5", notes="New cable.", **codes)
    with tenant(organization_a):
        task.refresh_from_db()
        assert (task.status, task.actual_duration, task.finished_by) == ("completed", 5, alice)
    shown = client.get(page).content.decode()
    assert "Cable or connector, Wear, Replaced" in shown
    assert shown.index("Completed") < shown.index("Created")
    act("correct-duration", _confirm="1", minutes="6", reason="Typo.")
    assert "From 5 min to 6 min: Typo." in client.get(page).content.decode()
