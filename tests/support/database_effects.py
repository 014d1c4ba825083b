"""Effects of the specified triggers and views, tested with rows of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.support.spec import TRIGGERS, VIEWS

_LONG_AGO = "2001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Rows:
    organization: UUID
    user: UUID
    robot: UUID
    task: UUID


def effect_errors(cursor: Any) -> list[str]:
    """Return the effects that are missing; roll back the test rows.

    Args:
        cursor: Cursor of the tables' owner, inside a transaction.
    """
    cursor.execute("SAVEPOINT effects")
    try:
        rows = insert_rows(cursor)
        return [
            *_updated_at_errors(cursor, rows),
            *_history_errors(cursor, rows),
            *_view_errors(cursor, rows),
        ]
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT effects")
        cursor.execute("RELEASE SAVEPOINT effects")


def insert_rows(cursor: Any) -> Rows:
    """Insert one row into each referenced table, with the database's defaults."""
    organization = _insert(
        cursor,
        "INSERT INTO organizations (name, slug) VALUES ('Plain', gen_random_uuid()) RETURNING id",
    )
    user = _insert(
        cursor,
        "INSERT INTO users (organization_id, email, password_hash)"
        " VALUES (%s, gen_random_uuid() || '@example.com', '!') RETURNING id",
        organization,
    )
    robot = _insert(
        cursor,
        "INSERT INTO robots (organization_id, name, vendor, configuration)"
        " VALUES (%s, 'Plain', 'kuka', '{}') RETURNING id",
        organization,
    )
    task = _insert(
        cursor,
        "INSERT INTO maintenance_tasks (organization_id, robot_id, title, type, created_by)"
        " VALUES (%s, %s, 'Grease', 'lubrication', %s) RETURNING id",
        organization,
        robot,
        user,
    )
    return Rows(organization, user, robot, task)


def _insert(cursor: Any, statement: str, *values: Any) -> UUID:
    cursor.execute(statement, values)
    key: UUID = cursor.fetchone()[0]
    return key


def _updated_at_errors(cursor: Any, rows: Rows) -> Iterator[str]:
    ids = {
        "users": rows.user,
        "robots": rows.robot,
        "organizations": rows.organization,
        "maintenance_tasks": rows.task,
    }
    for trigger in TRIGGERS:
        if trigger.timing != "BEFORE":
            continue
        cursor.execute(
            f"UPDATE {trigger.table} SET updated_at = %s WHERE id = %s"
            " RETURNING updated_at = now()",
            [_LONG_AGO, ids[trigger.table]],
        )
        if cursor.fetchone() != (True,):
            yield f"{trigger.name} does not set updated_at"


def _history_errors(cursor: Any, rows: Rows) -> Iterator[str]:
    for status in ("running", "running", "error"):
        cursor.execute("UPDATE robots SET status = %s WHERE id = %s", [status, rows.robot])
    cursor.execute(
        "SELECT previous_status, status FROM robot_status_history"
        " WHERE robot_id = %s AND previous_status IS NOT NULL ORDER BY time",
        [rows.robot],
    )
    if (found := cursor.fetchall()) != [("offline", "running"), ("running", "error")]:
        yield f"log_robot_status_change() wrote {found}"


def _view_errors(cursor: Any, rows: Rows) -> Iterator[str]:
    cursor.execute(
        "INSERT INTO maintenance_tasks"
        " (organization_id, robot_id, title, type, created_by, status, cost, actual_duration)"
        " SELECT %s, %s, 'Work', 'cleaning', %s, status, cost, minutes FROM (VALUES"
        " ('completed', 10.50, 30), ('completed', 4.25, 45), ('overdue', NULL, NULL))"
        " AS given (status, cost, minutes)",
        [rows.organization, rows.robot, rows.user],
    )
    for name, view in VIEWS.items():
        cursor.execute(
            f"SELECT count(*) FROM ((TABLE {name} EXCEPT ALL ({view.query}))"
            f" UNION ALL (({view.query}) EXCEPT ALL TABLE {name})) AS difference"
        )
        differences = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT count(*) FROM {name} WHERE robot_id = %s",
            [rows.robot],
        )
        if differences or cursor.fetchone()[0] != 1:
            yield f"view {name} does not give the rows of its query"
