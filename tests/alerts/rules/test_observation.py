"""Rules on status, connections and maintenance."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.services.users import system_user_get
from apps.alerts.services.rules.evaluation import evaluate_by_clock
from apps.alerts.services.rules.rules import alert_rule_create
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import task_create, tasks_mark_overdue
from apps.robots.models import Robot
from tests.support.task_statuses import set_task_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def watch(plant):
    """Return a function that creates a rule of a kind."""

    def make(name, kind, **condition):
        with plant.tenant(plant.organization):
            return alert_rule_create(
                organization_id=plant.organization.id, name=name, kind=kind, condition=condition,
                reopen_seconds=0,
            )  # fmt: skip

    return make


@pytest.fixture
def change(plant):
    """Return a function that changes the robot's columns."""

    def update(**columns):
        with plant.tenant(plant.organization):
            robot = Robot.objects.get(pk=plant.robot.pk)
            for name, value in columns.items():
                setattr(robot, name, value)
            robot.save(update_fields=list(columns))

    return update


def tick(plant, seconds=0):
    """Evaluate by the clock, some seconds from now."""
    return evaluate_by_clock(plant.organization.id, now=timezone.now() + timedelta(seconds=seconds))


def states(plant):
    return [(alert[0], alert[2]) for alert in plant.alerts()]


def test_status_that_lasts_opens_alert_and_its_end_resolves_it(plant, watch, change):
    watch("In error", "status", statuses=["error"], for_seconds=120)
    change(status="error")
    tick(plant)
    tick(plant, 119)
    assert states(plant) == []
    tick(plant, 121)
    assert states(plant) == [("In error", "new")]
    assert tick(plant, 122) == 0
    change(status="running")
    tick(plant, 123)
    assert states(plant) == [("In error", "resolved")]
    change(status="error")
    tick(plant, 130)
    assert states(plant) == [("In error", "resolved")]


def test_status_shorter_than_the_duration_opens_no_alert(plant, watch, change):
    watch("In error", "status", statuses=["error", "stopped"], for_seconds=120)
    change(status="error")
    tick(plant, 60)
    change(status="stopped")
    tick(plant, 90)
    change(status="running")
    tick(plant, 100)
    tick(plant, 300)
    assert states(plant) == []


def test_offline_robot_opens_alert_that_contact_resolves(plant, watch, change):
    watch("Offline", "connectivity", for_seconds=60)
    change(status="offline", last_seen=None)
    tick(plant, 100)
    assert states(plant) == []  # it has never been connected
    change(status="running", last_seen=timezone.now())
    change(status="offline")
    tick(plant)
    tick(plant, 61)
    assert states(plant) == [("Offline", "new")]
    change(status="online")
    tick(plant, 62)
    assert states(plant) == [("Offline", "resolved")]


def test_maintenance_lock_mutes_status(plant, watch, change):
    watch("In error", "status", statuses=["error"])
    change(status="error", maintenance_locked_at=timezone.now())
    tick(plant, 1)
    assert states(plant) == []
    change(maintenance_locked_at=None)
    tick(plant, 2)
    assert states(plant) == [("In error", "new")]


def test_overdue_task_opens_alert_of_its_robot(plant, watch):
    watch("Overdue", "maintenance")
    with plant.tenant(plant.organization):
        author = system_user_get(organization_id=plant.organization.id)
        task = task_create(
            organization_id=plant.organization.id, created_by=author, robot=plant.robot,
            title="Grease", type="lubrication", due_at=timezone.now() - timedelta(minutes=5),
        )  # fmt: skip
        tasks_mark_overdue()
    tick(plant)
    assert states(plant) == [("Overdue", "new")]
    with plant.tenant(plant.organization):
        set_task_status(MaintenanceTask.objects.filter(pk=task.pk), "completed")
    tick(plant, 1)
    assert states(plant) == [("Overdue", "resolved")]
