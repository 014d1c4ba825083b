"""The watchdog, and `/readyz`."""

from __future__ import annotations

import uuid

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from apps.alerts.models import Alert
from apps.alerts.models.deliveries import CRITICAL_LANE
from apps.alerts.selectors.rules import EVALUATE_TASK
from apps.alerts.services.notifications.claims import Capacity, deliveries_claim
from apps.alerts.services.notifications.watchdog import watchdog_check
from tests.support.webhook_receiver import Reply

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(db):
    """A worker with a recent heartbeat."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        return cursor.fetchone()[0]


def readyz():
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()["problems"]


def test_readyz_without_a_living_worker_says_so(worker):
    assert readyz() == (200, [])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 min'")
    status, problems = readyz()
    assert status == 503
    assert "No worker is running" in problems[0]


def test_undelivered_critical_notification_is_reported_by_other_ways(
    organization_a, alice, worker, receiver, make_webhook, make_route, report, send, tenant,
    pass_time,
):  # fmt: skip
    make_route(organization_a, make_webhook(organization_a, receiver), severities=["critical"])
    receiver.reply = lambda _request: Reply(500)
    report(organization_a, severity="critical")
    send()
    assert not watchdog_check(organization_a.pk)
    assert readyz()[0] == 200
    pass_time(organization_a, seconds=61)
    assert watchdog_check(organization_a.pk)
    assert watchdog_check(organization_a.pk)  # it is said once
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert "Door is open" in message.body
    status, problems = readyz()
    assert status == 503
    assert "critical notification" in problems[0]
    assert "Door" not in str(problems)
    with tenant(organization_a):
        assert Alert.objects.unresolved().filter(key="notifications-undelivered").count() == 1
    receiver.reply = lambda _request: Reply(200)
    pass_time(organization_a, seconds=10)
    send()
    assert not watchdog_check(organization_a.pk)
    assert readyz() == (200, [])
    with tenant(organization_a):
        assert not Alert.objects.unresolved().filter(key="notifications-undelivered").exists()


def test_escalation_that_is_being_sent_is_not_overdue(
    organization_a, worker, receiver, make_webhook, make_route, report, send, tenant, pass_time
):
    channel = make_webhook(organization_a, receiver)
    make_route(organization_a, channel, escalate=[(channel, 5)], severities=["critical"])
    report(organization_a, severity="critical")
    send()
    pass_time(organization_a, minutes=5)
    with tenant(organization_a):
        leased = deliveries_claim(CRITICAL_LANE, uuid.uuid4(), Capacity(9, 9, {}, True, []))
    assert len(leased) == 1
    assert not watchdog_check(organization_a.pk)
    assert readyz() == (200, [])
    pass_time(organization_a, seconds=61)
    assert watchdog_check(organization_a.pk)
    assert readyz()[0] == 503


def test_readyz_names_points_that_no_worker_evaluates(organization_a, worker, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a), connection.cursor() as cursor:
        insert = (
            "INSERT INTO telemetry_batches (organization_id, robot_ids, metric_names, least_time,"
            " greatest_time, created_at) VALUES (%s, %s, '{a}', now(), now(), now() - %s::interval)"
        )
        cursor.execute(insert, [organization_a.pk, [robot.pk], "10 s"])
    assert readyz() == (200, [])
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(insert, [organization_a.pk, [robot.pk], "5 min"])
    status, problems = readyz()
    assert status == 503
    assert problems == ["Alert rules have not been evaluated for 300 s."]


@pytest.mark.parametrize("status", ["todo", "doing"])
def test_readyz_names_an_evaluation_that_hangs(worker, status):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, status, worker_id)"
            " VALUES ('default', %s, 0, %s::procrastinate_job_status, %s)"
            " RETURNING id",
            [EVALUATE_TASK, status, worker],
        )
        job = cursor.fetchone()[0]
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [job])
        event = {"todo": "deferred", "doing": "started"}[status]
        cursor.execute(
            "INSERT INTO procrastinate_events (job_id, type, at)"
            " VALUES (%s, %s::procrastinate_job_event_type, now() - interval '2 min')",
            [job, event],
        )
    assert readyz()[1] == ["Alert rules have not been evaluated for 120 s."]
    # The job of a worker that died does not count: another worker starts a new one.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET worker_id = NULL WHERE id = %s", [job])
    assert (readyz() == (200, [])) == (status == "doing")


def test_held_notification_is_not_overdue(
    organization_a, receiver, make_webhook, make_route, report, send, tenant, pass_time
):
    from datetime import timedelta

    from django.utils import timezone

    from apps.alerts.services.notifications.silences import silence_create

    make_route(organization_a, make_webhook(organization_a, receiver))
    with tenant(organization_a):
        silence_create(
            organization_id=organization_a.id,
            reason="Work",
            ends_at=timezone.now() + timedelta(hours=1),
        )
    report(organization_a, severity="critical")
    send()
    pass_time(organization_a, seconds=90)
    assert not watchdog_check(organization_a.pk)
