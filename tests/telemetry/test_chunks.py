"""Chunks are created ahead, their indexes fit into memory, and old ones are compressed."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.selectors.retention import timescaledb_edition
from apps.telemetry.services import chunks
from apps.telemetry.services.chunks import (
    CHUNK_LENGTHS,
    ChunkMeasure,
    chunk_length_for,
    chunks_make_ahead,
)
from apps.telemetry.tasks import make_chunks, tune_chunks
from tests.conftest import _connect
from tests.support.concurrency import run_concurrently

TABLES = {
    "robot_telemetry",
    "robot_status_history",
    "telemetry_minutes",
    "telemetry_hours",
    "telemetry_days",
}
SQL = Path(chunks.__file__).parent.parent / "sql"
HOUR, DAY, MB = timedelta(hours=1), timedelta(days=1), 1024 * 1024


def ranges(table):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT range_start, range_end FROM timescaledb_information.chunks"
            " WHERE hypertable_name = %s ORDER BY range_start",
            [table],
        )
        return cursor.fetchall()


def covered(table, moment):
    return any(start <= moment < end for start, end in ranges(table))


def drop_all(*tables):
    """Drop every chunk, as the owner of the tables."""
    with _connect("owner") as owner:
        for table in tables:
            owner.execute(
                "SELECT drop_chunks(%s::regclass, older_than => timestamptz '2100-01-01')", [table]
            )


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


@pytest.mark.django_db(transaction=True)
def test_chunks_make_ahead_creates_chunks_for_next_day(robot):
    drop_all(*TABLES)
    assert {*chunks_make_ahead()} == TABLES
    now = timezone.now()
    for table in TABLES:
        assert covered(table, now)
        assert covered(table, now + DAY)
    assert covered("robot_status_history", now + 30 * DAY)
    assert chunks_make_ahead() == []
    make_chunks(0)
    with connection.cursor() as cursor:
        for table in TABLES:  # the rows that created the chunks are deleted
            cursor.execute(f"SELECT count(*) FROM {table} WHERE robot_id = %s", [robot.pk])
            assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_chunks_make_ahead_short_chunks_cover_a_day(robot):
    drop_all("robot_telemetry")
    with _connect("owner") as owner:
        owner.execute("SELECT set_chunk_time_interval('robot_telemetry', interval '4 hours')")
    try:
        chunks_make_ahead()
        now = timezone.now()
        assert all(covered("robot_telemetry", now + hours * HOUR) for hours in range(25))
        assert len(ranges("robot_telemetry")) == 7
    finally:
        drop_all("robot_telemetry")
        with _connect("owner") as owner:
            owner.execute("SELECT set_chunk_time_interval('robot_telemetry', interval '1 day')")


def test_chunks_make_ahead_without_robots_creates_none(db, owner_cursor):
    owner_cursor.execute("DELETE FROM robots")
    owner_cursor.execute("SELECT chunk_make_next()")
    assert owner_cursor.fetchone() == (None,)


def change_status(organization, robots, tenant):
    """Change the status of two robots in two transactions that have both written robots."""
    both_wrote = threading.Barrier(2)

    def change(robot):
        def run():
            with tenant(organization), connection.cursor() as cursor:
                cursor.execute("UPDATE robots SET name = 'x' WHERE id = %s", [robot.pk])
                both_wrote.wait(timeout=60)
                cursor.execute("UPDATE robots SET status = 'running' WHERE id = %s", [robot.pk])

        return run

    return run_concurrently(*map(change, robots))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("are_created_ahead", [False, True])
def test_chunk_creation_does_not_deadlock_robot_writers(
    are_created_ahead, organization_a, make_robot, tenant
):
    """Without chunks that are created ahead, one of the two transactions hits a deadlock."""
    robots = [make_robot(organization_a) for _ in range(2)]
    drop_all("robot_status_history")
    if are_created_ahead:
        chunks_make_ahead()
    results = change_status(organization_a, robots, tenant)
    deadlocks = [error for error in results if isinstance(error, OperationalError)]
    assert [error for error in results if error is not None] == deadlocks
    assert len(deadlocks) == (0 if are_created_ahead else 1)


@pytest.mark.django_db(transaction=True)
def test_chunk_creation_locked_robots_times_out(robot, organization_a, tenant):
    drop_all("robot_telemetry")
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE robots SET name = 'x' WHERE id = %s", [robot.pk])
        (created,) = run_concurrently(chunks_make_ahead)
    assert "robot_telemetry" not in created
    assert "robot_telemetry" in chunks_make_ahead()


# Length


@pytest.mark.parametrize(
    ("length", "rate", "memory", "expected"),
    [
        (DAY, None, 1024 * MB, DAY),
        (DAY, 0, 1024 * MB, DAY),
        # 256 MB of indexes: at 10 kB a second that is 7.4 hours.
        (DAY, 10_240, 1024 * MB, timedelta(hours=6)),
        (DAY, 1024 * MB, 1024 * MB, HOUR),
        (DAY, 1, 1024 * MB, timedelta(days=7)),
        # 26 hours fit, but without enough margin to grow from 12 hours.
        (timedelta(hours=12), 2_868, 1024 * MB, timedelta(hours=12)),
        (timedelta(hours=12), 1_434, 1024 * MB, DAY),
    ],
)
def test_chunk_length_for_measure(length, rate, memory, expected):
    assert chunk_length_for(ChunkMeasure(length, rate, memory)) == expected


@given(
    length=st.sampled_from(CHUNK_LENGTHS),
    rate=st.floats(0.001, 1e12),
    memory=st.integers(MB, 1 << 42),
)
def test_chunk_length_fits_memory_and_is_stable(length, rate, memory):
    chosen = chunk_length_for(ChunkMeasure(length, rate, memory))
    assert chosen in CHUNK_LENGTHS
    room = chunks.MAX_INDEX_MEMORY_FRACTION * memory
    assert chosen.total_seconds() * rate <= room * 1.000001 or chosen == CHUNK_LENGTHS[0]
    assert chunk_length_for(ChunkMeasure(chosen, rate, memory)) == chosen


@pytest.mark.django_db(transaction=True)
def test_chunk_measure_uses_busiest_chunk(robot, organization_a, tenant):
    drop_all("robot_telemetry")  # other tests leave indexes that have grown
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robot_telemetry (time, robot_id, metric_name)"
            " SELECT now() - interval '3 days' + n * interval '1 ms', %s, 'a'"
            " FROM generate_series(1, 2000) n",
            [robot.pk],
        )
    measure = chunks.chunk_measure()
    assert measure.length == DAY
    # 2,000 rows in three indexes: about 100 to 800 kB, in one day.
    assert 1 < measure.index_bytes_per_second < 20
    assert measure.memory_bytes >= MB


@pytest.mark.django_db(transaction=True)
def test_chunk_length_adapt_writes_audit_row(robot, monkeypatch, caplog):
    caplog.set_level("INFO")
    measure = ChunkMeasure(DAY, 10_240.4, 1024 * MB)
    monkeypatch.setattr(chunks, "chunk_measure", lambda: measure)
    tune_chunks(0)
    assert "chunk length of telemetry was changed" in caplog.text
    monkeypatch.undo()
    try:
        assert chunks.chunk_measure().length == timedelta(hours=6)
    finally:
        with _connect("owner") as owner:
            owner.execute("SELECT set_chunk_time_interval('robot_telemetry', interval '1 day')")
    with _connect("owner") as owner:
        rows = owner.execute(
            "SELECT organization_id, request_data FROM audit_logs"
            " WHERE action = 'telemetry.chunk_interval.set'"
        ).fetchall()
    assert rows == [
        (
            None,
            {
                "before_seconds": 86_400,
                "index_bytes_a_second": 10_240,
                "interval_seconds": 21_600,
                "memory_bytes": 1024 * MB,
            },
        )
    ]


@pytest.mark.parametrize("length", ["59 minutes", "8 days", None])
def test_chunk_interval_out_of_range_is_rejected(length, app_cursor):
    with pytest.raises(psycopg.errors.RaiseException, match="1 hour to 7 days"):
        app_cursor.execute("SELECT chunk_interval_set(%s::interval, '{}')", [length])


def test_chunk_interval_runtime_role_cannot_set(app_cursor):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute("SELECT set_chunk_time_interval('robot_telemetry', interval '2 days')")


# Compression


def set_edition(owner_cursor, edition):
    owner_cursor.execute(
        "CREATE OR REPLACE FUNCTION timescaledb_edition() RETURNS text LANGUAGE sql STABLE"
        f" AS $$ SELECT '{edition}'::text $$"
    )


def test_compression_apache_edition_does_nothing(owner_cursor):
    set_edition(owner_cursor, "apache")
    owner_cursor.execute("SELECT compression_apply()")
    assert owner_cursor.fetchone() == ("none",)


def test_compression_community_edition_adds_policy(owner_cursor):
    """On the Apache edition, the attempt shows as the error that the edition raises."""
    owner_cursor.execute("SELECT timescaledb_edition()")
    is_apache = owner_cursor.fetchone() == ("apache",)
    set_edition(owner_cursor, "timescale")
    if is_apache:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            owner_cursor.execute("SELECT compression_apply()")
        return
    for _ in range(2):
        owner_cursor.execute("SELECT compression_apply()")
        assert owner_cursor.fetchone() == ("policy",)
    owner_cursor.execute(
        "SELECT config ->> 'compress_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_compression' AND hypertable_name = 'robot_telemetry'"
    )
    assert owner_cursor.fetchall() == [("30 days",)]


def test_compression_job_detects_edition(db):
    expected = {"apache": "none", "timescale": "policy"}[timescaledb_edition()]
    assert chunks.compression_apply() == expected


INDEXES = """
    SELECT i.tablename, array_agg(substring(i.indexdef from '\\(.*\\)'))
    FROM pg_indexes i
    WHERE i.tablename = 'robot_telemetry' OR (i.schemaname, i.tablename) IN (
        SELECT chunk_schema, chunk_name FROM timescaledb_information.chunks
        WHERE hypertable_name = 'robot_telemetry')
    GROUP BY 1
"""
OF_SERIES = {
    '(robot_id, metric_name, "time")',
    '(robot_id, "time" DESC)',
    '(metric_name, "time" DESC)',
}
OF_TIME = '("time" DESC)'


def telemetry_indexes():
    """Return the columns of each index, by the hypertable and its chunks."""
    with _connect("owner") as owner:
        return {table: set(columns) for table, columns in owner.execute(INDEXES).fetchall()}


@pytest.mark.django_db(transaction=True)
def test_points_have_no_index_on_time_alone(robot):
    drop_all("robot_telemetry")
    chunks_make_ahead()
    found = telemetry_indexes()
    assert len(found) >= 2
    assert all(columns == OF_SERIES for columns in found.values())


@pytest.mark.django_db(transaction=True)
def test_time_index_is_dropped_from_chunks_between_long_reads(robot):
    forward, reverse = (
        (SQL / f"0015_time_index{kind}.sql").read_text(encoding="utf-8")
        for kind in ("", ".reverse")
    )
    chunks_make_ahead()
    with _connect("owner") as owner, _connect("owner") as reader:
        owner.autocommit = True
        owner.execute(reverse)
        found = telemetry_indexes()
        assert len(found) >= 2
        assert all(columns == {*OF_SERIES, OF_TIME} for columns in found.values())
        reader.execute("SELECT count(*) FROM robot_telemetry")
        timer = threading.Timer(2.5, reader.commit)  # the second attempt succeeds
        timer.start()
        owner.execute(forward)
        timer.join()
    assert all(columns == OF_SERIES for columns in telemetry_indexes().values())
