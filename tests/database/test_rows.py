"""Rows written by plain SQL behave like those that services write."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.database_effects import insert_rows


@pytest.fixture
def rows(owner_cursor):
    return insert_rows(owner_cursor)


@pytest.fixture
def more_rows(owner_cursor):
    """Another organization's rows."""
    return insert_rows(owner_cursor)


def test_robot_defaults_are_set_by_database(owner_cursor, rows):
    owner_cursor.execute(
        "SELECT role, is_active, email_verified FROM users WHERE id = %s", [rows.user]
    )
    assert owner_cursor.fetchone() == ("operator", True, False)
    owner_cursor.execute(
        "SELECT settings, plan, is_active FROM organizations WHERE id = %s", [rows.organization]
    )
    assert owner_cursor.fetchone() == ({}, "free", True)
    owner_cursor.execute(
        "SELECT status, is_active, lifecycle, version FROM robots WHERE id = %s", [rows.robot]
    )
    assert owner_cursor.fetchone() == ("offline", True, "active", 1)
    owner_cursor.execute(
        "SELECT priority, status, created_at = now(), updated_at = now()"
        " FROM maintenance_tasks WHERE id = %s",
        [rows.task],
    )
    assert owner_cursor.fetchone() == ("medium", "scheduled", True, True)


def test_other_defaults_are_set_by_database(owner_cursor, rows):
    owner_cursor.execute(
        "INSERT INTO robot_commands (organization_id, robot_id, type) VALUES (%s, %s, 'pause')"
        " RETURNING payload, priority, status, created_at = now()",
        [rows.organization, rows.robot],
    )
    assert owner_cursor.fetchone() == ({}, "normal", "pending", True)
    owner_cursor.execute(
        "INSERT INTO alerts (organization_id, type, severity, title, message)"
        " VALUES (%s, 'system', 'info', 'T', 'M') RETURNING is_acknowledged, is_resolved",
        [rows.organization],
    )
    assert owner_cursor.fetchone() == (False, False)
    owner_cursor.execute(
        "INSERT INTO api_keys (organization_id, user_id, name, key_hash, key_prefix)"
        " VALUES (%s, %s, 'K', 'h', 'p') RETURNING permissions, rate_limit, is_active",
        [rows.organization, rows.user],
    )
    assert owner_cursor.fetchone() == ([], 1000, True)
    owner_cursor.execute(
        "INSERT INTO user_sessions (organization_id, user_id, session_token, expires_at)"
        " VALUES (%s, %s, 't', now()) RETURNING created_at = now(), last_activity_at = now()",
        [rows.organization, rows.user],
    )
    assert owner_cursor.fetchone() == (True, True)


def test_updated_at_cannot_be_overwritten(owner_cursor, rows):
    for table, key in (
        ("users", rows.user),
        ("organizations", rows.organization),
        ("robots", rows.robot),
        ("maintenance_tasks", rows.task),
    ):
        owner_cursor.execute(
            f"UPDATE {table} SET updated_at = '2001-01-01' WHERE id = %s"
            " RETURNING updated_at = now()",
            [key],
        )
        assert owner_cursor.fetchone() == (True,)


def _history(cursor, robot):
    cursor.execute(
        "SELECT previous_status, status, reason, metadata FROM robot_status_history"
        " WHERE robot_id = %s ORDER BY time",
        [robot],
    )
    return cursor.fetchall()


def test_first_status_writes_history(owner_cursor, rows):
    assert _history(owner_cursor, rows.robot) == [(None, "offline", None, None)]


def test_status_change_writes_history(owner_cursor, rows):
    for status in ("running", "error"):
        owner_cursor.execute("UPDATE robots SET status = %s WHERE id = %s", [status, rows.robot])
    owner_cursor.execute(
        "UPDATE robots SET name = 'New', status = status WHERE id = %s", [rows.robot]
    )
    assert [row[:2] for row in _history(owner_cursor, rows.robot)] == [
        (None, "offline"),
        ("offline", "running"),
        ("running", "error"),
    ]


def test_status_change_stores_reason_and_metadata(owner_cursor, rows):
    owner_cursor.execute(
        "SELECT set_config('app.status_reason', 'protective stop', true),"
        " set_config('app.status_metadata', %s, true)",
        ['{"code": "C153"}'],
    )
    owner_cursor.execute("UPDATE robots SET status = 'stopped' WHERE id = %s", [rows.robot])
    assert _history(owner_cursor, rows.robot)[-1] == (
        "offline",
        "stopped",
        "protective stop",
        {"code": "C153"},
    )


def test_current_status_view_has_latest_status(owner_cursor, rows):
    for status in ("running", "error"):
        owner_cursor.execute("UPDATE robots SET status = %s WHERE id = %s", [status, rows.robot])
    owner_cursor.execute(
        "SELECT c.status, c.status_changed_at = (SELECT max(time) FROM robot_status_history h"
        " WHERE h.robot_id = c.robot_id) FROM robot_status_current c WHERE robot_id = %s",
        [rows.robot],
    )
    assert owner_cursor.fetchall() == [("error", True)]


def test_maintenance_summary_view_has_counts_and_sums(owner_cursor, rows):
    owner_cursor.execute(
        "INSERT INTO maintenance_tasks"
        " (organization_id, robot_id, title, type, created_by, status, cost, actual_duration)"
        " SELECT %s, %s, 'W', 'cleaning', %s, status, cost, minutes FROM (VALUES"
        " ('completed', 10.50, 30), ('completed', 4.25, 45), ('overdue', NULL, NULL))"
        " AS given (status, cost, minutes)",
        [rows.organization, rows.robot, rows.user],
    )
    owner_cursor.execute(
        "SELECT total_tasks, completed_tasks, overdue_tasks, total_cost::text, avg_duration::float"
        " FROM maintenance_summary WHERE robot_id = %s",
        [rows.robot],
    )
    assert owner_cursor.fetchone() == (4, 2, 1, "14.75", 37.5)


def _count(cursor, table, robot):
    cursor.execute(f"SELECT count(*) FROM {table} WHERE robot_id = %s", [robot])
    return cursor.fetchone()[0]


def test_robot_delete_cascades_to_commands_telemetry_and_history(owner_cursor, rows):
    owner_cursor.execute("DELETE FROM maintenance_tasks WHERE robot_id = %s", [rows.robot])
    owner_cursor.execute(
        "INSERT INTO robot_commands (organization_id, robot_id, type) VALUES (%s, %s, 'pause')",
        [rows.organization, rows.robot],
    )
    owner_cursor.execute(
        "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
        " VALUES (now(), %s, 'power.total', 1)",
        [rows.robot],
    )
    tables = ("robot_commands", "robot_telemetry", "robot_status_history")
    assert [_count(owner_cursor, table, rows.robot) for table in tables] == [1, 1, 1]

    owner_cursor.execute("DELETE FROM robots WHERE id = %s", [rows.robot])

    assert [_count(owner_cursor, table, rows.robot) for table in tables] == [0, 0, 0]


def test_robot_delete_with_maintenance_or_alerts_raises(owner_cursor, rows):
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="fk_maintenance"):
        owner_cursor.execute("DELETE FROM robots WHERE id = %s", [rows.robot])


def test_user_delete_cascades_to_sessions(owner_cursor, rows):
    owner_cursor.execute("DELETE FROM maintenance_tasks WHERE created_by = %s", [rows.user])
    owner_cursor.execute(
        "INSERT INTO user_sessions (organization_id, user_id, session_token, expires_at)"
        " VALUES (%s, %s, 't', now())",
        [rows.organization, rows.user],
    )
    owner_cursor.execute("DELETE FROM users WHERE id = %s", [rows.user])
    owner_cursor.execute("SELECT count(*) FROM user_sessions WHERE user_id = %s", [rows.user])
    assert owner_cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("table", "columns", "values"),
    [
        ("robot_commands", "type", "'pause'"),
        ("alerts", "type, severity, title, message", "'system', 'info', 'T', 'M'"),
        ("maintenance_tasks", "title, type, created_by", "'T', 'cleaning', %(user)s"),
        (
            "api_keys",
            "name, key_hash, key_prefix, user_id",
            "'K', gen_random_uuid(), 'p', %(user)s",
        ),
    ],
)
def test_reference_to_other_organizations_robot_raises(
    owner_cursor, rows, more_rows, table, columns, values
):
    statement = (
        f"INSERT INTO {table} (organization_id, robot_id, {columns})"
        f" VALUES (%(organization)s, %(robot)s, {values})"
    )
    own = {"organization": rows.organization, "robot": rows.robot, "user": rows.user}
    owner_cursor.execute(statement, own)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner_cursor.execute(statement, {**own, "robot": more_rows.robot})


def test_duplicate_point_raises(owner_cursor, rows):
    point = (
        "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
        " VALUES ('2026-01-01T00:00:00Z', %s, 'power.total', 1)"
    )
    owner_cursor.execute(point, [rows.robot])
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner_cursor.execute(point, [rows.robot])


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("users", "role"),
        ("organizations", "plan"),
        ("robots", "status"),
        ("robots", "reported_status"),
        ("robots", "lifecycle"),
        ("maintenance_tasks", "type"),
        ("maintenance_tasks", "priority"),
    ],
)
def test_value_outside_of_choices_raises(owner_cursor, rows, table, column):
    with pytest.raises(psycopg.errors.CheckViolation, match=f"{table}_{column}_check"):
        owner_cursor.execute(f"UPDATE {table} SET {column} = 'nonsense'")


def test_status_of_task_outside_of_choices_raises(owner_cursor, rows):
    """An update is rejected by the trigger of the transitions already."""
    insert = """
        INSERT INTO maintenance_tasks (organization_id, title, type, status, created_by)
        SELECT organization_id, 'x', 'cleaning', 'nonsense', created_by
        FROM maintenance_tasks LIMIT 1
    """
    with pytest.raises(psycopg.errors.CheckViolation, match="maintenance_tasks_status_check"):
        owner_cursor.execute(insert)
