"""Hard deletes of robots, concurrent with a worker that rolls up their points."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.robots.models import Robot
from apps.telemetry.services.pending_work import Consumer, pending_work_claim, pending_work_enqueue
from apps.telemetry.services.rollups import roll_up, rollups_lock, work_items_roll_up
from tests.support.concurrency import run_concurrently

pytestmark = pytest.mark.django_db(transaction=True)

START = (timezone.now() - timedelta(days=5)).replace(hour=10, minute=0, second=0, microsecond=0)
TABLES = ("robot_telemetry", "telemetry_minutes", "telemetry_hours", "telemetry_days")
WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'deletes' AND wait_event_type = 'Lock'
"""


def owner(**options):
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    return psycopg.connect(**{**wanted, "application_name": "deletes", **options})


@pytest.fixture
def store(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)

    def write(seconds):
        when = START + timedelta(seconds=seconds)
        with tenant(organization_a), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
                " VALUES (%s, %s, 'a', 1)",
                [when, robot.pk],
            )
            pending_work_enqueue(organization_a.id, [(robot.pk, "a", when)])

    write.robot = robot
    return write


@pytest.mark.parametrize("known", [True, False], ids=["of its organization", "of all"])
def test_hard_delete_and_roll_up_do_not_deadlock(store, organization_a, tenant, known):
    store(0)
    roll_up(organization_a.id)
    store(1)  # updates a bucket, whose row is locked
    store(86_400)  # inserts a bucket, which checks the foreign key to the robot
    begun, waiting = threading.Event(), threading.Event()

    def work():
        with tenant(organization_a):
            rollups_lock(organization_a.id, wait=True)
            items = sorted(
                pending_work_claim(Consumer.ROLLED_UP, max_items=9, max_weight=999),
                key=lambda b: b.least_time,
            )
            work_items_roll_up(organization_a.id, items[:1])
            begun.set()
            assert waiting.wait(20)
            work_items_roll_up(organization_a.id, items[1:])
        return len(items)

    def delete():
        assert begun.wait(20)
        with owner() as link:
            if known:
                link.execute(
                    "SELECT set_config('app.organization_id', %s, true)", [str(organization_a.id)]
                )
            return link.execute("DELETE FROM robots WHERE id = %s", [store.robot.pk]).rowcount

    def watch():
        with owner(application_name="watches", autocommit=True) as link:
            until = time.monotonic() + 15
            while not link.execute(WAITS).fetchone()[0] and time.monotonic() < until:
                time.sleep(0.02)
        waiting.set()

    assert run_concurrently(work, delete, watch) == [2, 1, None]
    with tenant(organization_a):
        assert not Robot.objects.exists()
    with owner() as link:
        for table in TABLES:
            assert link.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
