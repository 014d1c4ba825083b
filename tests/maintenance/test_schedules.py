from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, time, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from apps.accounts.services.users import system_user_get
from apps.audit.models import AuditLog
from apps.maintenance.choices import OPEN_STATUSES
from apps.maintenance.models import MaintenanceSchedule, MaintenanceScheduleState, MaintenanceTask
from apps.maintenance.selectors.schedules import calendar_leg, robot_schedules
from apps.maintenance.services.planner import schedules_open_due_tasks
from apps.maintenance.services.schedules import schedule_create, schedule_delete, schedule_update
from apps.maintenance.services.tasks import task_cancel, task_complete, task_start, task_update
from apps.maintenance.tasks import open_due_tasks
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.status_intervals import running_seconds_since
from apps.robots.services.robots import robot_retire
from tests.support.concurrency import run_concurrently
from tests.support.schedule_model import PlainSchedule
from urfmp.common.tenancy.context import audit_action, tenant_transaction

NOW = datetime(2024, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SIMULATED_DAYS = int(os.environ.get("SCHEDULE_DAYS", "120"))  # a year in `make proof`
MONTHLY = {"frequency": "monthly", "starts_on": date(2024, 3, 5), "lead_days": 7}


@pytest.fixture
def make_schedule(tenant):
    def make(organization, **fields):
        with tenant(organization):
            author = system_user_get(organization_id=organization.id)
            values = {"title": "Grease", "type": "lubrication", **fields}
            return schedule_create(organization_id=organization.id, created_by=author, **values)

    return make


def plan(organization, now=NOW):
    with tenant_transaction(organization.id):
        return schedules_open_due_tasks(organization_id=organization.id, now=now)[1]


def close(task, now, *, cancel=False):
    with patch("django.utils.timezone.now", lambda: now):
        if cancel:
            return task_cancel(task, "not needed")
        task_start(task)
        return task_complete(task)


def add_history(robot, changes):
    with audit_action("tests.history"):
        RobotStatusHistory.objects.bulk_create(
            RobotStatusHistory(robot=robot, time=at, status=status, metadata=None)
            for at, status in changes
        )


def test_planner_opens_one_task_within_lead_time(organization_a, make_robot, make_schedule, tenant):
    robot = make_robot(organization_a, model="IRB 120", vendor="abb")
    make_robot(organization_a, model="IRB 120", vendor="kuka")
    schedule = make_schedule(organization_a, vendor="abb", model="IRB 120", **MONTHLY)
    assert plan(organization_a, NOW - 5 * DAY) == 0
    assert [plan(organization_a), plan(organization_a)] == [1, 0]
    with tenant(organization_a):
        task = MaintenanceTask.objects.get()
        assert (task.robot_id, task.schedule_id, task.title) == (robot.pk, schedule.pk, "Grease")
        assert task.due_at == datetime(2024, 3, 5, 7, tzinfo=UTC)
        names = set(AuditLog.objects.filter(resource_id=task.pk).values_list("action", flat=True))
        assert names == {"maintenance.maintenance_schedule.open_tasks"}


def test_planner_ignores_inactive_schedules_and_retired_robots(
    organization_a, make_robot, make_schedule, tenant
):
    robot = make_robot(organization_a)
    schedule = make_schedule(organization_a, robot=robot, **MONTHLY)
    with tenant(organization_a):
        schedule_update(schedule, is_active=False)
    assert plan(organization_a) == 0
    with tenant(organization_a):
        schedule_update(schedule, is_active=True)
    assert plan(organization_a) == 1
    with tenant(organization_a):
        robot_retire(robot)
        assert not MaintenanceTask.objects.open().exists()
    assert plan(organization_a, timezone.now() + 90 * DAY) == 0


def test_robot_that_joins_the_model_gets_its_own_state(
    organization_a, make_robot, make_schedule, tenant
):
    make_robot(organization_a)
    make_schedule(organization_a, vendor="universal_robots", model="UR3", **MONTHLY)
    assert plan(organization_a) == 1
    late = make_robot(organization_a)
    assert plan(organization_a, NOW + DAY) == 1
    with tenant(organization_a):
        Robot.objects.filter(pk=late.pk).update(model="UR5")
        task = MaintenanceTask.objects.get(robot=late)
        close(task, NOW + 2 * DAY)
    assert plan(organization_a, NOW + 60 * DAY) == 0


def test_completion_moves_all_legs(organization_a, make_robot, make_schedule, tenant):
    robot = make_robot(organization_a)
    make_schedule(organization_a, robot=robot, running_hours=10, **MONTHLY)
    with tenant(organization_a):
        add_history(robot, [(NOW, "running"), (NOW + timedelta(hours=12), "idle")])
    plan(organization_a, NOW - 10 * DAY)
    assert plan(organization_a, NOW + DAY) == 1
    with tenant(organization_a):
        close(MaintenanceTask.objects.get(), NOW + 2 * DAY)
        assert plan(organization_a, NOW + 2 * DAY) == 0
        state = MaintenanceScheduleState.objects.get()
        # The anchors are audited, what the planner moves is not.
        records = AuditLog.objects.filter(resource_id=state.pk).order_by("seq")
        actions = set(records.values_list("action", flat=True))
        assert actions == {
            "maintenance.maintenance_schedule.open_tasks", "maintenance.maintenance_task.complete",
        }  # fmt: skip
        assert (state.running_seconds, state.counted_from) == (0, NOW + 2 * DAY)
        # Due on 5 April, 08:00 in Berlin.
        assert state.due_at == datetime(2024, 4, 5, 6, tzinfo=UTC)


def test_hours_far_from_the_calendar_leave_its_date(
    organization_a, make_robot, make_schedule, tenant
):
    robot = make_robot(organization_a)
    start = {**MONTHLY, "starts_on": date(2024, 6, 1)}
    make_schedule(organization_a, robot=robot, running_hours=10, **start)
    plan(organization_a)
    with tenant(organization_a):
        add_history(robot, [(NOW, "running"), (NOW + timedelta(hours=12), "idle")])
    assert plan(organization_a, NOW + DAY) == 1
    with tenant(organization_a):
        task = MaintenanceTask.objects.get()
        assert (task.due_at, task.notes) == (NOW + 8 * DAY, "Opened at 12 of 10 running hours.")
        close(task, NOW + 2 * DAY)
        assert MaintenanceScheduleState.objects.get().due_at.date() == date(2024, 6, 1)


def test_months_open_the_tasks_of_the_plain_model(
    organization_a, make_facility, make_robot, make_schedule, tenant
):
    """Days of work, late status rows, and closing early, late or not at all."""
    draw = random.Random(13)
    zones = {"Hall A": "America/New_York", "Hall B": "Europe/Berlin"}
    for name, zone in zones.items():
        make_facility(organization_a, name, timezone=zone)
    robots = [
        make_robot(organization_a, location={"facility": hall}) for hall in (*zones, "Hall A")
    ]
    fields = [
        {
            "frequency": "monthly", "starts_on": date(2024, 1, 31), "month_day": 31,
            "time_of_day": time(2, 30), "lead_days": 10, "running_hours": 300,
            "running_hours_anchor": "fixed", "vendor": "universal_robots", "model": "UR3",
        },
        {
            "frequency": "weekly", "interval": 3, "starts_on": date(2024, 4, 1), "lead_days": 2,
            "calendar_anchor": "floating", "running_hours": 90, "robot": robots[0],
        },
    ]  # fmt: skip
    schedules = [make_schedule(organization_a, **values) for values in fields]
    models = {
        (schedule.pk, robot.pk): PlainSchedule(
            calendar_leg(schedule),
            ZoneInfo(zones[robot.location["facility"]]),
            NOW,
            lead_days=schedule.lead_days,
            hours=schedule.running_hours,
            hours_anchor=schedule.running_hours_anchor,
        )
        for schedule in schedules
        for robot in robots
        if schedule.robot_id in {None, robot.pk}
    }
    opened, expected, late = 0, 0, []
    for number in range(SIMULATED_DAYS):
        now = NOW + number * DAY
        with tenant(organization_a):
            for robot in robots:
                start = now - timedelta(hours=draw.randint(3, 9), seconds=draw.randint(0, 99))
                stop = start + timedelta(hours=draw.randint(0, 2), minutes=7)
                late.append((robot, [(start, "running"), (stop, "idle")]))
            arrived = [item for item in late if draw.random() < 0.8]
            late = [item for item in late if item not in arrived]
            for robot, changes in arrived:
                add_history(robot, changes)
                for (_, robot_id), model in models.items():
                    if robot_id == robot.pk:
                        model.changes += changes
        opened += plan(organization_a, now)
        expected += sum(model.plan(now) is not None for model in models.values())
        with tenant(organization_a):
            tasks = MaintenanceTask.objects.open()
            found = {(task.schedule_id, task.robot_id): task for task in tasks}
            assert len(found) == len(tasks)
            due = {key: model.open_due for key, model in models.items() if model.open_due}
            assert {key: task.due_at for key, task in found.items()} == due
            for key, task in sorted(found.items(), key=lambda item: item[0]):
                if draw.random() < 0.1:
                    close(task, now, cancel=draw.random() < 0.2)
                    models[key].close(now)
    assert opened == expected > SIMULATED_DAYS // 12


def test_open_task_is_unique_in_raw_sql(organization_a, make_robot, make_schedule, tenant):
    robot = make_robot(organization_a)
    make_schedule(organization_a, robot=robot, **MONTHLY)
    plan(organization_a)
    copy = """
        INSERT INTO maintenance_tasks
            (organization_id, robot_id, schedule_id, title, type, created_by, status)
        SELECT organization_id, robot_id, schedule_id, title, type, created_by, %s
        FROM maintenance_tasks LIMIT 1
    """
    for status in (*OPEN_STATUSES, None):
        with (
            tenant(organization_a),
            pytest.raises(IntegrityError, match="maintenance_tasks_one_open_key"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(copy, [status])
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(copy, ["completed"])


@pytest.mark.django_db(transaction=True)
def test_parallel_planners_open_one_task(organization_a, make_robot, make_schedule, tenant):
    robots = [make_robot(organization_a) for _ in range(3)]
    make_schedule(organization_a, vendor="universal_robots", model="UR3", **MONTHLY)
    outcome = run_concurrently(*[lambda: plan(organization_a)] * 8)
    assert sum(outcome) <= len(robots), outcome
    plan(organization_a, NOW + timedelta(minutes=1))
    with tenant(organization_a):
        assert MaintenanceTask.objects.count() == len(robots)


@pytest.mark.django_db(transaction=True)
def test_parallel_planner_and_completion_keep_one_task(
    organization_a, make_robot, make_schedule, tenant
):
    make_robot(organization_a)
    make_schedule(
        organization_a, vendor="universal_robots", model="UR3",
        frequency="daily", starts_on=date(2024, 1, 1), lead_days=365,
    )  # fmt: skip
    for number in range(3):
        now = NOW + number * DAY
        plan(organization_a, now)

        def complete(now=now):
            with tenant_transaction(organization_a.id):
                close(MaintenanceTask.objects.open().get(), now)

        outcome = run_concurrently(complete, *[lambda now=now: plan(organization_a, now)] * 3)
        assert outcome[0] is None
        plan(organization_a, now + timedelta(minutes=1))
        with tenant(organization_a):
            assert MaintenanceTask.objects.open().count() == 1


@pytest.mark.django_db(transaction=True)
def test_job_plans_every_organization(
    organization_a, organization_b, make_robot, make_schedule, tenant
):
    for organization in (organization_a, organization_b):
        make_schedule(organization, robot=make_robot(organization), **MONTHLY)
    open_due_tasks(0)
    for organization in (organization_a, organization_b):
        with tenant(organization):
            assert MaintenanceScheduleState.objects.get().due_at > timezone.now()


def test_planner_queries_do_not_grow_with_robots(
    organization_a, make_robot, make_schedule, tenant, django_assert_max_num_queries
):
    for _ in range(6):
        make_robot(organization_a)
    target = {"vendor": "universal_robots", "model": "UR3"}
    make_schedule(organization_a, running_hours=10, **target, **MONTHLY)
    with tenant(organization_a), django_assert_max_num_queries(14):
        assert schedules_open_due_tasks(organization_id=organization_a.id, now=NOW) == (6, 6)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "frequency"),
        ({"frequency": "daily"}, "starts_on"),
        ({**MONTHLY, "vendor": "abb", "model": "X"}, "robot"),
        ({**MONTHLY, "robot": None}, "robot"),
        ({**MONTHLY, "robot": None, "vendor": "abb"}, "robot"),
        ({**MONTHLY, "interval": 121}, "interval"),
        ({**MONTHLY, "interval": 0}, "interval"),
        ({**MONTHLY, "weekdays": ["monday"]}, "weekdays"),
        ({**MONTHLY, "frequency": "weekly", "weekdays": ["noday"]}, "weekdays"),
        ({**MONTHLY, "month_day": 32}, "month_day"),
        ({**MONTHLY, "month_day": 3, "calendar_anchor": "floating"}, "month_day"),
        ({**MONTHLY, "starts_on": date(1999, 1, 1)}, "starts_on"),
        ({**MONTHLY, "lead_days": 366}, "lead_days"),
        ({"running_hours": 0}, "running_hours"),
        ({**MONTHLY, "title": "\u200b"}, "title"),
    ],
)
def test_invalid_schedule_is_rejected(fields, field, organization_a, make_robot, make_schedule):
    robot = make_robot(organization_a)
    with pytest.raises(ValidationError) as error:
        make_schedule(organization_a, **{"robot": robot, **fields})
    assert field in error.value.error_dict


def test_update_releases_robots_of_the_earlier_model(
    organization_a, make_robot, make_schedule, tenant
):
    make_robot(organization_a)
    other = make_robot(organization_a, model="UR5")
    schedule = make_schedule(organization_a, vendor="universal_robots", model="UR3", **MONTHLY)
    plan(organization_a, NOW - 20 * DAY)
    with tenant(organization_a):
        schedule_update(schedule, vendor=None, model=None, robot=other)
        assert not MaintenanceScheduleState.objects.exists()
    plan(organization_a)
    with tenant(organization_a):
        assert MaintenanceTask.objects.get().robot_id == other.pk


def test_deleted_schedule_leaves_its_tasks(organization_a, make_robot, make_schedule, tenant):
    robot = make_robot(organization_a)
    schedule = make_schedule(organization_a, robot=robot, **MONTHLY)
    plan(organization_a)
    with tenant(organization_a):
        schedule_delete(schedule)
        task = MaintenanceTask.objects.get()
        assert (task.schedule_id, task.status) == (None, "scheduled")
        close(task, NOW)
        assert not MaintenanceSchedule.objects.exists()


def test_robot_of_a_planned_task_cannot_change(organization_a, make_robot, make_schedule, tenant):
    make_schedule(organization_a, robot=make_robot(organization_a), **MONTHLY)
    other = make_robot(organization_a)
    plan(organization_a)
    with tenant(organization_a), pytest.raises(ValidationError, match="Create another task"):
        task_update(MaintenanceTask.objects.get(), robot=other)


def test_robot_schedules_tell_hours_left(organization_a, alice, make_robot, make_schedule, tenant):
    robot = make_robot(organization_a)
    make_schedule(organization_a, robot=robot, running_hours=10)
    plan(organization_a)
    with tenant(organization_a):
        add_history(robot, [(NOW, "running"), (NOW + timedelta(hours=4), "idle")])
    plan(organization_a, NOW + DAY)
    with tenant(organization_a):
        (shown,) = robot_schedules(alice, robot)
        assert (shown.running_hours, shown.hours_left, shown.has_open_task) == (4, 6, False)


def test_running_seconds_restrict_robots(organization_a, organization_b, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        add_history(robot, [(NOW, "running"), (NOW + timedelta(hours=4), "idle")])
        wanted = [(robot.pk, robot.pk, NOW + timedelta(hours=1))]
        assert running_seconds_since(wanted, NOW + DAY) == {robot.pk: 3 * 3600}
    with tenant(organization_b):
        assert running_seconds_since(wanted, NOW + DAY) == {}


def test_list_shows_the_name_of_the_vendor(organization_a, alice, client_for, tenant):
    with tenant(organization_a):
        schedule_create(
            organization_id=organization_a.pk, created_by=alice, title="Oil", type="inspection",
            vendor="universal_robots", model="UR10e", running_hours=500,
        )  # fmt: skip
    page = client_for(alice).get(reverse("admin:maintenance_maintenanceschedule_changelist"))
    assert "All Universal Robots UR10e" in page.content.decode()


def test_admin_form_creates_a_schedule_and_shows_its_dates(
    organization_a, alice, client_for, make_robot, tenant
):
    make_robot(organization_a)
    client = client_for(alice)
    assert (
        client.get(reverse("admin:maintenance_maintenanceschedule_changelist")).status_code == 200
    )
    add = reverse("admin:maintenance_maintenanceschedule_add")
    assert client.get(add).status_code == 200
    form = {
        "title": "Grease", "type": "lubrication", "priority": "medium", "interval": "2",
        "vendor": "universal_robots", "model": "UR3", "frequency": "weekly",
        "weekdays": ["monday", "friday"], "starts_on": "2026-01-05", "time_of_day": "06:00",
        "calendar_anchor": "fixed", "running_hours_anchor": "floating", "lead_days": "7",
        "is_active": "on",
    }  # fmt: skip
    answer = client.post(add, {**form, "frequency": ""})
    assert "Set the calendar, the running hours, or both." in answer.content.decode()
    answer = client.post(add, form)
    assert answer.status_code == 302, answer.content.decode()
    with tenant(organization_a):
        schedule = MaintenanceSchedule.objects.get()
        assert (schedule.weekdays, schedule.is_active) == (["monday", "friday"], True)
    page = client.get(reverse("admin:maintenance_maintenanceschedule_change", args=[schedule.pk]))
    assert page.content.decode().count("06:00") >= 5
    preview = client.get(f"/api/v1/maintenance-schedules/{schedule.pk}/preview").json()
    assert len(preview["due_at"]) == 5
    plan(organization_a, timezone.now())
    with tenant(organization_a):
        robot = Robot.objects.get()
    work = client.get(reverse("admin:robot_page", args=[robot.pk]) + "?tab=work")
    assert "Grease" in work.content.decode()
