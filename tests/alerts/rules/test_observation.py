"""Rules on status, connections and maintenance."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.services.users import system_user_get
from apps.alerts.models import Alert, Delivery
from apps.alerts.services.notifications.channels import channel_create, channel_test
from apps.alerts.services.rules.evaluation import evaluate_by_clock
from apps.alerts.services.rules.rules import alert_rule_create
from apps.audit.services.audit_logs import audit_record
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import task_create, tasks_mark_overdue
from apps.robots.models import Robot, RobotCommand
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


def command(plant, status, seconds_ago):
    at = timezone.now() - timedelta(seconds=seconds_ago)
    with plant.tenant(plant.organization):
        return RobotCommand.objects.create(
            organization_id=plant.organization.id, robot=plant.robot, type="start",
            status=status, completed_at=at, expires_at=at,
        )  # fmt: skip


def test_failed_commands_open_alert_until_they_are_old(plant, watch):
    watch("Commands", "command", outcomes=["failed", "unknown"], count=2, within_seconds=600)
    command(plant, "failed", 30)
    command(plant, "completed", 20)
    tick(plant)
    assert states(plant) == []
    command(plant, "unknown", 10)
    tick(plant)
    assert states(plant) == [("Commands", "new")]
    with plant.tenant(plant.organization):
        alert = Alert.objects.get()
    assert (alert.type, alert.robot_id) == ("command", plant.robot.pk)
    assert alert.message == "2 commands within 10 min: failed or outcome unknown."
    assert tick(plant, 500) == 0
    tick(plant, 571)
    assert states(plant) == [("Commands", "resolved")]


def test_failed_logins_open_one_alert_of_the_organization(plant, watch, alice):
    watch("Logins", "security", events=["failed_login"], count=3, within_seconds=60)
    for number in range(3):
        assert states(plant) == []
        client = Client(REMOTE_ADDR=f"192.0.2.{number + 1}")
        body = {"email": alice.email, "password": "wrong password"}
        answer = client.post("/api/v1/auth/login", body, content_type="application/json")
        assert answer.status_code == 401
        tick(plant)
    assert states(plant) == [("Logins", "new")]
    with plant.tenant(plant.organization):
        alert = Alert.objects.get()
    assert (alert.type, alert.robot_id) == ("security", None)
    assert alert.message == "Failed logins: 3 within 1 min."
    tick(plant, 65)
    assert states(plant) == [("Logins", "resolved")]


def test_reused_refresh_token_opens_alert_in_its_organization_alone(
    plant, watch, organization_b, tenant
):
    watch("Reuse", "security", events=["refresh_token_reuse"])
    for organization in (organization_b, plant.organization):
        assert states(plant) == []
        with tenant(organization):
            audit_record(
                action="accounts.session.refresh_reuse", resource_type="session", success=False
            )
        tick(plant)
    assert states(plant) == [("Reuse", "new")]


def test_undelivered_notification_opens_alert(plant, watch):
    watch("Undelivered", "system", measure="undelivered_age", threshold_seconds=120)
    with plant.tenant(plant.organization):
        channel = channel_create(
            organization_id=plant.organization.id, kind="email", name="Mail",
            addresses=["a@example.com"],
        )  # fmt: skip
        channel_test(channel)
    tick(plant, 119)
    assert states(plant) == []
    tick(plant, 121)
    assert states(plant) == [("Undelivered", "new")]
    with plant.tenant(plant.organization):
        Delivery.objects.update(state="delivered")
    tick(plant, 122)
    assert states(plant) == [("Undelivered", "resolved")]


def test_waiting_job_opens_alert_and_scheduled_one_does_not(plant, watch):
    watch("Queue", "system", measure="queue_age", threshold_seconds=60)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    app.configure_task("alerts.send_deliveries").defer(timestamp=0)
    app.configure_task(
        "alerts.watch_deliveries", schedule_at=timezone.now() + timedelta(hours=1)
    ).defer(timestamp=0)
    tick(plant, 50)
    assert states(plant) == []
    tick(plant, 70)
    assert states(plant) == [("Queue", "new")]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name LIKE '%send%'")
    tick(plant, 71)
    assert states(plant) == [("Queue", "resolved")]


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("command", {"outcomes": []}),
        ("command", {"outcomes": ["completed"]}),
        ("command", {"outcomes": ["failed"], "count": 0}),
        ("command", {"outcomes": ["failed"], "within_seconds": 59}),
        ("security", {"events": ["theft"]}),
        ("system", {"measure": "queue_age"}),
        ("system", {"measure": "luck", "threshold_seconds": 1}),
        ("status", {"statuses": ["error"], "events": ["failed_login"]}),
    ],
)
def test_invalid_condition_is_rejected(watch, kind, condition):
    with pytest.raises(ValidationError):
        watch("R", kind, **condition)


def test_rule_on_the_organization_has_no_narrower_scope(plant):
    with plant.tenant(plant.organization), pytest.raises(ValidationError) as error:
        alert_rule_create(
            organization_id=plant.organization.id, name="R", kind="security", scope="model",
            model="UR5", condition={"events": ["failed_login"]},
        )  # fmt: skip
    assert "scope" in error.value.message_dict
