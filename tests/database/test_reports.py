from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import connection

from apps.telemetry.models import RobotTelemetry
from tests.support.spec import HYPERTABLES, TABLES
from urfmp.db.reports import format_table

pytestmark = pytest.mark.django_db


def _report(capsys, command, **options):
    call_command(command, json=True, **options)
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def points(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        RobotTelemetry.objects.bulk_create(
            RobotTelemetry(
                robot_id=robot.id, metric_name="power.total", time=f"2026-01-0{day}T00:00Z", value=1
            )
            for day in (1, 2, 3)
        )


def test_db_table_sizes_lists_tables_largest_first(capsys):
    rows = _report(capsys, "db_table_sizes")
    assert set(TABLES) <= {row["tablename"] for row in rows}
    assert all(row["bytes"] > 0 and row["schemaname"] == "public" and row["size"] for row in rows)
    assert [row["bytes"] for row in rows] == sorted((row["bytes"] for row in rows), reverse=True)


def test_db_table_sizes_includes_chunks(capsys, points):
    rows = {row["tablename"]: row for row in _report(capsys, "db_table_sizes")}
    telemetry = rows["robot_telemetry"]
    assert telemetry["chunks"] >= 3
    # A chunk and its three indexes take at least a page each.
    assert telemetry["bytes"] >= 3 * 4 * 8192
    assert {name for name, row in rows.items() if row["chunks"] is not None} >= {
        hypertable.name for hypertable in HYPERTABLES
    }


def test_db_index_usage_lists_indexes_most_used_first(capsys):
    rows = _report(capsys, "db_index_usage")
    found = {(row["tablename"], row["indexname"]) for row in rows}
    assert {(t, i.name) for t, facts in TABLES.items() for i in facts.indexes} <= found
    assert len(found) == len(rows)
    scans = [row["idx_scan"] for row in rows]
    assert scans == sorted(scans, reverse=True)


def _scans(capsys):
    rows = _report(capsys, "db_index_usage")
    return sum(row["idx_scan"] for row in rows if row["tablename"] == "robot_telemetry")


def test_db_index_usage_includes_chunks(transactional_db, capsys, points, organization_a, tenant):
    before = _scans(capsys)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "SELECT count(*) FROM robot_telemetry"
            " WHERE metric_name = 'power.total' AND time >= '2026-01-02T00:00Z'"
        )
        assert cursor.fetchone() == (2,)
        # Statistics are otherwise handed in once a second.
        cursor.execute("SELECT pg_stat_force_next_flush()")
    assert _scans(capsys) >= before + 2


@pytest.mark.parametrize("command", ["db_table_sizes", "db_index_usage"])
def test_report_prints_aligned_table(capsys, command):
    call_command(command)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("schemaname  tablename")
    start = lines[0].index("tablename")
    assert all(line[start - 2 : start] == "  " and line[start] != " " for line in lines)


def test_format_table():
    table = format_table(["name", "bytes"], [["robots", 5], ["alerts", None], ["x", 1200]])
    assert table == "name    bytes\nrobots      5\nalerts\nx        1200"
    assert format_table(["name"], []) == "name"
