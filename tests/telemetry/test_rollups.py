from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from apps.telemetry import tasks
from apps.telemetry.models import TelemetryBatch
from apps.telemetry.models.rollups import COLUMNS, LEVELS
from apps.telemetry.selectors import SeriesQuery, get_series, latest_values
from apps.telemetry.services import rollup_check
from apps.telemetry.services.pending_work import organizations_with_pending_work
from apps.telemetry.services.rollup_check import RollupMismatch
from apps.telemetry.services.rollups import roll_up, rollups_lock
from tests.support import telemetry_points
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction

HOUR = timedelta(hours=1)
START = (timezone.now() - timedelta(days=20)).replace(hour=10, minute=0, second=0, microsecond=0)
OTHER_SERIES = """
    UPDATE telemetry_minutes SET metric_name = 'never.sent'
    WHERE bucket = (SELECT min(bucket) FROM telemetry_minutes)
"""


@pytest.fixture
def store(db):
    """Return a function that inserts points `(seconds, value)` and usually enqueues them."""

    def write(robot, points, metric="power.total", *, enqueue=True):
        timed = [(START + timedelta(seconds=second), value) for second, value in points]
        telemetry_points.insert_points(robot, metric, timed, enqueue=enqueue)

    return write


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


def kept(tenant, organization, columns="count, min, max, first, last"):
    with tenant(organization), connection.cursor() as cursor:
        found = {}
        for level in LEVELS:
            cursor.execute(
                f"SELECT {columns} FROM {level.table}"
                " WHERE robot_id IN (SELECT id FROM robots) ORDER BY bucket"
            )
            found[level.seconds] = cursor.fetchall()
        return found


def test_roll_up_late_points_update_every_level(store, robot, organization_a, tenant):
    store(robot, [(0, 5.0), (59, 7.0), (3600, 1.0)])
    roll_up(organization_a.id)
    store(robot, [(30, -9.0)])
    roll_up(organization_a.id)
    assert kept(tenant, organization_a) == {
        60: [(3, -9.0, 7.0, 5.0, 7.0), (1, 1.0, 1.0, 1.0, 1.0)],
        3600: [(3, -9.0, 7.0, 5.0, 7.0), (1, 1.0, 1.0, 1.0, 1.0)],
        86400: [(4, -9.0, 7.0, 5.0, 1.0)],
    }


def test_roll_up_in_small_steps_gives_same_result(store, robot, organization_a, tenant):
    store(robot, [(600 * n, float(n)) for n in range(30)])
    runs = 0
    while roll_up(organization_a.id, max_items=4):
        runs += 1
    assert runs == 8
    assert sum(count for count, *_ in kept(tenant, organization_a)[60]) == 30


@pytest.mark.django_db(transaction=True)
def test_roll_up_does_nothing_while_locked(store, robot, organization_a, tenant):
    store(robot, [(0, 1.0)])
    with tenant(organization_a):
        rollups_lock(organization_a.id, wait=True)
        assert run_concurrently(lambda: roll_up(organization_a.id)) == [0]
    assert run_concurrently(lambda: roll_up(organization_a.id)) == [1]


@pytest.mark.django_db(transaction=True)
def test_roll_up_acquires_lock_between_repeated_holders(store, robot, organization_a):
    """Retention releases and acquires the lock like this, batch by batch."""
    store(robot, [(0, 1.0)])
    done = threading.Event()

    def hold_repeatedly():
        for _ in range(100):
            with tenant_transaction(organization_a.id):
                rollups_lock(organization_a.id, wait=True)
                time.sleep(0.1)
            if done.is_set():
                return "interrupted"
        return "to the end"

    def work():
        time.sleep(0.3)
        count = roll_up(organization_a.id)
        done.set()
        return count

    assert run_concurrently(hold_repeatedly, work) == ["interrupted", 1]


def test_job_continues_after_failed_organization(
    store, make_robot, organization_a, organization_b, monkeypatch
):
    for organization in (organization_a, organization_b):
        store(make_robot(organization), [(0, 1.0)])

    def fail_for_a(organization_id):
        if organization_id == organization_a.id:
            raise OperationalError
        return roll_up(organization_id)

    monkeypatch.setattr(tasks, "roll_up", fail_for_a)
    tasks.roll_up_batches(0)
    assert organizations_with_pending_work() == [organization_a.id]


def test_purged_robot_loses_rollups(store, robot, organization_a, owner_cursor):
    owner_cursor.execute(
        "SELECT count(*) FROM pg_constraint WHERE confrelid = 'robots'::regclass"
        " AND confdeltype = 'c' AND conrelid::regclass::text IN ('telemetry_minutes',"
        " 'telemetry_hours', 'telemetry_days', 'telemetry_latest')"
    )
    assert owner_cursor.fetchone() == (4,)


# Check and repair


def check(*arguments):
    out = io.StringIO()
    try:
        call_command("rollups_check", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_check_after_roll_up_finds_no_mismatch(store, robot):
    store(robot, [(n * 37.5, 1e200 if n % 7 == 0 else n / 3) for n in range(400)])
    code, output = check()
    assert (code, output) == (0, "Rollups and latest values match the points.\n")


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE telemetry_minutes SET max = max + 1", "telemetry_minutes"),
        ("UPDATE telemetry_hours SET sum = sum * 1.001", "telemetry_hours"),
        ("UPDATE telemetry_hours SET unit = NULL", "telemetry_hours"),
        ("DELETE FROM telemetry_days", "telemetry_days"),
        ("UPDATE telemetry_latest SET value = 0", "telemetry_latest"),
        ("DELETE FROM telemetry_latest", "telemetry_latest"),
        (OTHER_SERIES, "telemetry_minutes"),
    ],
)
def test_check_finds_and_repairs_mismatch(store, robot, organization_a, tenant, damage, table):
    store(robot, [(n * 10, n / 3) for n in range(500)])
    roll_up(organization_a.id)
    columns = "metric_name, bucket, count, sum, min, max, first, first_at, last, last_at, unit"
    before = kept(tenant, organization_a, columns), latest_of(robot)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(damage)
    code, output = check()
    assert (code, table in output) == (1, True), output
    assert check("--repair")[0] == 0
    assert check()[0] == 0
    assert (kept(tenant, organization_a, columns), latest_of(robot)) == before


MOVED = """
    INSERT INTO {table} SELECT robot_id, metric_name, bucket + interval '{days} days', {columns}
    FROM {table}
"""


@pytest.mark.parametrize("days", [-3, 3])
@pytest.mark.parametrize("table", [level.table for level in LEVELS])
def test_check_finds_rollups_without_points(store, robot, organization_a, tenant, table, days):
    store(robot, [(0, 1.0)])
    roll_up(organization_a.id)
    before = kept(tenant, organization_a)
    moved = MOVED.format(table=table, days=days, columns=", ".join(COLUMNS))
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(moved)
    code, output = check()
    assert code == 1
    assert f"{table}: power.total" in output
    assert f"on {(START + timedelta(days=days)).date()}" in output
    assert check("--repair")[0] == 0
    assert check()[0] == 0
    assert kept(tenant, organization_a) == before


def test_check_ignores_expired_rollups(store, robot, organization_a, tenant):
    store(robot, [(0, 1.0)])
    roll_up(organization_a.id)
    moved = MOVED.format(table="telemetry_days", days=-400, columns=", ".join(COLUMNS))
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(moved)
    assert check()[0] == 0


@pytest.mark.django_db(transaction=True)
def test_read_during_repair_is_complete(store, robot, organization_a, tenant, monkeypatch):
    """The read finds no pending work; then repair starts before it reads the rollups."""
    store(robot, [(n * 10, n / 3) for n in range(500)])
    roll_up(organization_a.id)
    mismatch = RollupMismatch(robot.pk, "power.total", "telemetry_minutes", day=START.date())
    asked = SeriesQuery(
        (robot.pk,), ("power.total",), START, START + 2 * HOUR, resolution_seconds=60
    )
    with tenant(organization_a):
        (before,) = get_series(asked)
    newest = latest_of(robot)
    monkeypatch.setattr(
        rollup_check, "roll_up", lambda *_: 0
    )  # the repair is limited to its own work
    module = import_module("apps.telemetry.selectors.series")
    plan_slices = module.plan_slices

    def meanwhile(*arguments):
        assert run_concurrently(
            lambda: rollup_check.rollups_repair(organization_a.id, mismatch)
        ) == [None]
        return plan_slices(*arguments)

    monkeypatch.setattr(module, "plan_slices", meanwhile)
    with tenant(organization_a):
        (found,) = get_series(asked)
    assert found == before
    rollup_check.rollups_repair(
        organization_a.id,
        RollupMismatch(robot.pk, "power.total", "telemetry_latest", newest=newest[0].time),
    )
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT time FROM telemetry_latest WHERE robot_id = %s", [robot.pk])
        assert cursor.fetchall() == [(newest[0].time,)]


def latest_of(robot):
    with tenant_transaction(robot.organization_id):
        return latest_values([robot.pk])


def test_check_finds_points_without_pending_work(store, robot, organization_a, tenant):
    store(robot, [(0, 1.0)])
    store(robot, [(86_400, 2.0)], enqueue=False)
    assert check("--until", str(START.date()))[0] == 1  # the latest value
    assert check("--repair")[0] == 0
    assert kept(tenant, organization_a)[86400] == [(1, *[1.0] * 4), (1, *[2.0] * 4)]
    assert latest_of(robot)[0].value == 2.0


# Killed and concurrent workers


@pytest.mark.django_db(transaction=True)
def test_killed_worker_leaves_rollups_unchanged(store, robot, organization_a, tenant):
    store(robot, [(n, 1.0) for n in range(100)])
    program = (
        "import django, os, signal; django.setup()\n"
        "from apps.telemetry.services import rollups\n"
        "def pause(*_): print('worked', flush=True); signal.pause()\n"
        "rollups.pending_work_acknowledge = pause\n"
        f"rollups.roll_up('{organization_a.id}')\n"
    )
    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"{url.rpartition('/')[0]}/{name}?{url.partition('?')[2]}",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "worked\n"
            assert roll_up(organization_a.id) == 0  # the worker has started
        finally:
            worker.send_signal(signal.SIGKILL)
    assert kept(tenant, organization_a) == {60: [], 3600: [], 86400: []}
    with tenant(organization_a):
        end = START + timedelta(hours=2)
        (one,) = get_series(
            SeriesQuery(
                (robot.pk,), ("power.total",), START, end, 10, ("count",), resolution_seconds=3600
            )
        )
        assert one.points == [(START, 100)]
        assert TelemetryBatch.objects.filter(rolled_up_at=None).exists()
    deadline = time.monotonic() + 60
    while not roll_up(organization_a.id):  # until the server has noticed the lost connection
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kept(tenant, organization_a)[3600] == [(100, *[1.0] * 4)]


@pytest.mark.django_db(transaction=True)
def test_roll_up_with_concurrent_workers_and_ingest(store, organization_a, make_robot, tenant):
    robots = [make_robot(organization_a) for _ in range(3)]

    def send(robot):
        for n in range(40):
            store(robot, [(n * 2 + part, float(n)) for part in (0, 0.5)])

    def work():
        until = time.monotonic() + 20
        idle = 0
        while idle < 40 and time.monotonic() < until:
            idle = 0 if roll_up(organization_a.id, max_items=2) else idle + 1
            time.sleep(0.005)

    results = run_concurrently(work, work, *(lambda robot=robot: send(robot) for robot in robots))
    assert results == [None] * 5
    while roll_up(organization_a.id):
        pass
    assert check()[0] == 0
    counts = [count for count, *_ in kept(tenant, organization_a)[86400]]
    assert counts == [80] * 3
