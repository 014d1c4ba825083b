"""Retention of organizations that keep less than the platform."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.telemetry.models import RobotTelemetry
from apps.telemetry.models.rollups import LEVELS
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.selectors.retention import (
    RETENTION_KINDS,
    RETENTION_TABLES,
    get_organization_retention,
    timescaledb_edition,
)
from apps.telemetry.selectors.retention_limit import (
    invalidate_retention_cache,
    telemetry_kept_since,
)
from apps.telemetry.services import retention
from apps.telemetry.services.pending_work import pending_work_enqueue_stored
from apps.telemetry.services.rollups import roll_up, rollups_lock
from apps.telemetry.services.telemetry import telemetry_ingest
from apps.telemetry.tasks import purge_expired_telemetry
from tests.support.concurrency import run_concurrently
from tests.support.retention import apply_settings

DAY = timedelta(days=1)


def midnight():
    return timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def keep(tenant):
    def set_days(organization, **days):
        with tenant(organization):
            values = {f"{kind}_retention_days": count for kind, count in days.items()}
            apply_settings(organization, values)

    return set_days


@pytest.fixture
def store(tenant):
    """Insert points, or status changes, at times before midnight (UTC)."""

    def put(organization, robot, *ages, table="robot_telemetry"):
        column, value = ("metric_name", "a") if "telemetry" in table else ("status", "idle")
        with tenant(organization), connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} (time, robot_id, {column}) VALUES (%s, %s, %s)",
                [(midnight() - age, robot.pk, value) for age in ages],
            )

    return put


@pytest.fixture
def ages(tenant):
    def read(organization, robot, table="robot_telemetry"):
        with tenant(organization), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT time FROM {table} WHERE robot_id IN (SELECT id FROM robots)"
                " AND robot_id = %s AND time < %s ORDER BY time DESC",
                [robot.pk, midnight()],
            )
            return [midnight() - time for (time,) in cursor.fetchall()]

    return read


def test_purge_deletes_only_own_expired_rows(
    organization_a, organization_b, make_robot, keep, store, ages
):
    ours, theirs = make_robot(organization_a), make_robot(organization_b)
    keep(organization_a, telemetry=30)
    tick = timedelta(microseconds=1)
    for organization, robot in ((organization_a, ours), (organization_b, theirs)):
        store(organization, robot, DAY, 30 * DAY, 30 * DAY + tick, 90 * DAY)
    assert retention.purge_expired(organization_a.id) == {"telemetry": 2, "status_history": 0}
    assert ages(organization_a, ours) == [DAY, 30 * DAY]
    purge_expired_telemetry(0)
    assert len(ages(organization_b, theirs)) == 4
    assert retention.purge_expired(organization_a.id)["telemetry"] == 0


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    minutes=st.sets(st.integers(1, 80 * 24 * 60), max_size=25),
    days=st.integers(1, 60),
    kind=st.sampled_from(RETENTION_KINDS),
    batch=st.integers(1, 9),
)
def test_purge_matches_model(
    minutes, days, kind, batch, organization_a, make_robot, keep, store, ages, tenant, monkeypatch
):
    monkeypatch.setattr(retention, "_MAX_ROWS_PER_TRANSACTION", batch)
    table = RETENTION_TABLES[kind]
    with tenant(organization_a), transaction.atomic():
        robot = make_robot(organization_a)
        keep(organization_a, **{kind: days})
        times = sorted(timedelta(minutes=minute) for minute in minutes)
        store(organization_a, robot, *times, table=table)
        deleted = retention.purge_expired(organization_a.id)
        kept = [time for time in times if time <= days * DAY]
        if kind == "status_history":  # and the status in effect at the limit
            kept += [time for time in times if time > days * DAY][:1]
        assert ages(organization_a, robot, table=table) == kept
        assert deleted[kind] == len(times) - len(kept)
        transaction.set_rollback(True)


def test_purge_deletes_rollups_and_latest_values(
    organization_a, organization_b, make_robot, keep, tenant, monkeypatch
):
    monkeypatch.setattr(retention, "_MAX_ROWS_PER_TRANSACTION", 3)
    robots = {o.id: make_robot(o) for o in (organization_a, organization_b)}
    for organization, robot in robots.items():
        points = [
            (n, Point(f"m{n % 2}", midnight() - age, 1.0, robot_id=robot.pk))
            for n, age in enumerate(
                [DAY, 29 * DAY, 30 * DAY, 30 * DAY + timedelta(minutes=1), 31 * DAY, 90 * DAY]
            )
        ]
        points += [(9, Point("silent", midnight() - 50 * DAY, 1.0, robot_id=robot.pk))]
        telemetry_ingest(organization_id=organization, decode=partial(DecodedBatch, points))
        roll_up(organization)
    keep(organization_a, telemetry=30)
    assert retention.purge_expired(organization_a.id)["telemetry"] == 4 + 3 * 4 + 1

    def left(organization, table, column):
        with tenant(organization), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*), min({column}) FROM {table} WHERE robot_id = %s",
                [robots[organization.id].pk],
            )
            return cursor.fetchone()

    for level in LEVELS:
        assert left(organization_a, level.table, "bucket") == (3, midnight() - 30 * DAY)
        assert left(organization_b, level.table, "bucket")[0] == 7
    assert left(organization_a, "telemetry_latest", "time")[0] == 2
    assert left(organization_b, "telemetry_latest", "time")[0] == 3
    assert retention.purge_expired(organization_a.id)["telemetry"] == 0


def test_purge_many_rows_with_same_time(
    organization_a, make_robot, keep, tenant, ages, monkeypatch
):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=1)
    monkeypatch.setattr(retention, "_MAX_ROWS_PER_TRANSACTION", 2)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name) VALUES (%s, %s, %s)",
            [(midnight() - 5 * DAY, robot.pk, f"m{n}") for n in range(7)],
        )
    assert retention.purge_expired(organization_a.id)["telemetry"] == 7


def test_retention_respects_setting_and_platform_maximum(
    organization_a, make_robot, store, ages, tenant
):
    robot = make_robot(organization_a)
    store(organization_a, robot, 364 * DAY)
    for invalid in ('{"telemetry_retention_days": 0}', '{"telemetry_retention_days": "30"}',
                  '{"telemetry_retention_days": -3}', '{"telemetry_retention_days": 30.5}',
                  '{"telemetry_retention_days": 9999}', '{"telemetry_retention_days": 999}',
                  "[]", "null"):  # fmt: skip
        store(organization_a, robot, 366 * DAY)
        with tenant(organization_a), connection.cursor() as cursor:
            cursor.execute("UPDATE organizations SET settings = %s::jsonb", [invalid])
        retention.purge_expired(organization_a.id)
        assert ages(organization_a, robot) == [364 * DAY]


def test_retention_function_ignores_other_organizations(
    organization_a, organization_b, make_robot, keep, store, ages, tenant
):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=1)
    keep(organization_b, telemetry=1)
    store(organization_a, robot, 9 * DAY)
    with tenant(organization_b), connection.cursor() as cursor:
        cursor.execute("SELECT retention_forget('telemetry', %s, 100)", [robot.pk])
        assert cursor.fetchone() == (0,)
    assert ages(organization_a, robot) == [9 * DAY]


def test_retention_function_without_tenant_deletes_nothing(app_cursor):
    app_cursor.execute("SELECT retention_forget('telemetry', gen_random_uuid(), 100)")
    assert app_cursor.fetchone() == (0,)


@pytest.mark.parametrize("most", [0, -1, 100_001, None])
def test_retention_function_batch_size_is_bounded(most, app_cursor):
    with pytest.raises(psycopg.errors.RaiseException, match="1 to 100000"):
        app_cursor.execute("SELECT retention_forget('telemetry', gen_random_uuid(), %s)", [most])


def test_retention_drops_chunks_that_no_organization_keeps(
    organization_a, organization_b, make_robot, keep, store, ages
):
    ours, theirs = make_robot(organization_a), make_robot(organization_b)
    store(organization_a, ours, DAY, 20 * DAY, 90 * DAY)
    store(organization_b, theirs, 90 * DAY)
    keep(organization_a, telemetry=10)
    assert {result.dropped for result in retention.retention_apply()} == {0}
    keep(organization_b, telemetry=60)
    dropped = {result.hypertable: result for result in retention.retention_apply()}
    assert dropped["robot_telemetry"].method == "drop_chunks"
    assert dropped["robot_telemetry"].dropped == 1
    assert ages(organization_a, ours) == [DAY, 20 * DAY]
    assert ages(organization_b, theirs) == []


def test_telemetry_kept_since_follows_setting(organization_a, organization_b, keep):
    now = datetime(2026, 5, 20, 13, 30, tzinfo=UTC)
    invalidate_retention_cache()
    keep(organization_a, telemetry=30)
    assert telemetry_kept_since(organization_a.id, now) == datetime(2026, 4, 20, tzinfo=UTC)
    assert telemetry_kept_since(organization_b.id, now) == now - 365 * DAY


def test_ingest_point_beyond_retention_is_rejected(organization_a, make_robot, keep, ages):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=30)
    invalidate_retention_cache()
    points = [
        (0, Point("a", midnight() - 30 * DAY, 1.0, robot_id=robot.pk)),
        (1, Point("a", midnight() - 31 * DAY, 1.0, robot_id=robot.pk)),
    ]
    result = telemetry_ingest(
        organization_id=organization_a.id, decode=partial(DecodedBatch, points)
    )
    assert (result.accepted, [(r.index, r.code) for r in result.rejected]) == (1, [(1, "too_old")])
    assert f"{midnight() - 30 * DAY:%Y-%m-%d}" in result.rejected[0].detail
    assert ages(organization_a, robot) == [30 * DAY]


def test_retention_limit_is_same_in_sql_and_python(organization_a, keep, tenant):
    keep(organization_a, telemetry=7, status_history=9)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "SELECT retention_since('telemetry', settings),"
            " retention_since('status_history', settings) FROM organizations"
        )
        assert cursor.fetchone() == tuple(
            own.since for own in get_organization_retention(organization_a)
        )


def test_command_lists_due_rows(organization_a, make_robot, keep, store):
    keep(organization_a, telemetry=30)
    store(organization_a, make_robot(organization_a), 40 * DAY, 500 * DAY)
    out = StringIO()
    call_command("retention_status", stdout=out)
    text = out.getvalue()
    assert f"TimescaleDB edition: {timescaledb_edition()}" in text
    assert "acme: telemetry kept 30 days" in text
    assert "to delete: 1 robots" in text
    assert "acme: status_history kept 730 days" in text
    assert "nothing to delete" in text


@pytest.mark.parametrize(
    ("edition", "longest", "method"),
    [
        ("apache", 365, "drop_chunks"),
        ("timescale", 365, "policy"),
        ("timescale", 30, "drop_chunks"),
    ],
)
def test_retention_method_depends_on_edition(edition, longest, method, owner_cursor):
    owner_cursor.execute(
        "CREATE OR REPLACE FUNCTION timescaledb_edition() RETURNS text LANGUAGE sql STABLE"
        f" AS $$ SELECT '{edition}'::text $$"
    )
    owner_cursor.execute("DELETE FROM robots")
    owner_cursor.execute(
        "INSERT INTO organizations (name, slug, settings) VALUES ('x', gen_random_uuid(), %s)"
        " RETURNING id",
        [f'{{"telemetry_retention_days": {longest}}}'],
    )
    owner_cursor.execute(
        "INSERT INTO robots (organization_id, name, vendor, configuration)"
        " VALUES (%s, 'x', 'abb', '{}')",
        owner_cursor.fetchone(),
    )
    owner_cursor.execute(
        "SELECT method FROM retention_methods() WHERE hypertable = 'robot_telemetry'"
    )
    assert owner_cursor.fetchone() == (method,)


@pytest.mark.django_db(transaction=True)
def test_purge_with_concurrent_workers_and_ingest(
    organization_a, make_robot, keep, store, ages, tenant
):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=5)
    store(organization_a, robot, *(timedelta(hours=n) for n in range(1, 480)))
    kept = sum(1 for n in range(1, 480) if n <= 120)

    def ingest():
        for n in range(50):
            with tenant(organization_a), connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO robot_telemetry (time, robot_id, metric_name)"
                    " VALUES (%s, %s, 'b')",
                    [midnight() - timedelta(minutes=n + 1), robot.pk],
                )
        return 50

    work = lambda: retention.purge_expired(organization_a.id)["telemetry"]  # noqa: E731
    results = run_concurrently(work, work, ingest)
    assert results[2] == 50
    assert results[0] + results[1] == 479 - kept, results
    with tenant(organization_a):
        assert RobotTelemetry.objects.filter(robot=robot).count() == kept + 50
    assert len(ages(organization_a, robot)) == kept + 50


@pytest.mark.django_db(transaction=True)
def test_purge_during_roll_up_leaves_no_rollups(organization_a, make_robot, keep, tenant):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=30)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " VALUES (%s, %s, 'a', 1)",
            [midnight() - 40 * DAY, robot.pk],
        )
        start = midnight() - 41 * DAY
        pending_work_enqueue_stored([robot.pk], start=start, end=start + 2 * DAY)
    added_up = threading.Event()

    def work():
        def stop(execute, sql, params, many, context):
            if "INTO telemetry_latest" in sql:
                added_up.set()
                time.sleep(1.5)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(stop):
            return roll_up(organization_a.id)

    def purge_all():
        assert added_up.wait(60)
        return retention.purge_expired(organization_a.id)["telemetry"]

    done, gone = run_concurrently(work, purge_all)
    assert done == 1
    assert gone == 5  # the point, a bucket of each level, the latest value
    assert retention.purge_expired(organization_a.id)["telemetry"] == 0
    with tenant(organization_a), connection.cursor() as cursor:
        for table in ("telemetry_latest", *(level.table for level in LEVELS)):
            cursor.execute(
                f"SELECT count(*) FROM {table} WHERE robot_id IN (SELECT id FROM robots)"
            )
            assert cursor.fetchone() == (0,), table


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["robot_telemetry", "telemetry_days"])
def test_purge_waits_for_roll_up(organization_a, make_robot, keep, tenant, table):
    robot = make_robot(organization_a)
    keep(organization_a, telemetry=30)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
            " VALUES (%s, %s, 'a', 1)",
            [midnight() - 40 * DAY, robot.pk],
        )
        if table != "robot_telemetry":
            start = midnight() - 41 * DAY
            pending_work_enqueue_stored([robot.pk], start=start, end=start + 2 * DAY)
            roll_up(organization_a.id)
            assert retention._delete_points("telemetry", organization_a.id, robot.pk) == 1
    holds = threading.Event()

    def work():
        with tenant(organization_a), connection.cursor() as cursor:
            rollups_lock(organization_a.id, wait=True)
            holds.set()
            time.sleep(1)
            cursor.execute(
                f"SELECT count(*) FROM {table} WHERE robot_id IN (SELECT id FROM robots)"
            )
            return cursor.fetchone()[0]

    def purge_all():
        assert holds.wait(60)
        return retention.purge_expired(organization_a.id)["telemetry"]

    assert run_concurrently(work, purge_all) == [1, 1 if table == "robot_telemetry" else 4]


@pytest.mark.django_db(transaction=True)
def test_purge_does_not_wait_for_running_export(
    organization_a, make_robot, store, tenant, django_db_blocker
):
    """A reader locks old chunks; other readers would queue behind a waiting DROP."""
    robot = make_robot(organization_a)
    store(organization_a, robot, 400 * DAY)

    def read():
        with tenant(organization_a), connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM robot_telemetry WHERE robot_id IN (SELECT id FROM robots)"
            )
            results = run_concurrently(retention.retention_apply)
        return results[0]

    methods = {result.hypertable: result.method for result in read()}
    if timescaledb_edition() == "apache":
        assert methods["robot_telemetry"] == "busy"
        assert {r.dropped for r in retention.retention_apply()} == {0, 1}
