"""The conformance check detects each missing object of the specification."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.conformance import conformance_errors
from tests.support.spec import FUNCTIONS, HYPERTABLES, TABLES, TRIGGERS, VIEWS

_PARTITION_COLUMNS = {(hypertable.name, hypertable.column) for hypertable in HYPERTABLES}


def _removals() -> Iterator[tuple[str, str]]:
    """Yield a name for each change, and the statement that makes it."""
    for table, facts in TABLES.items():
        yield from _column_removals(table)
        for key in facts.foreign_keys:
            yield f"key {key.name}", f"ALTER TABLE {table} DROP CONSTRAINT {key.name}"
        for index in facts.indexes:
            yield f"index {index.name}", f"DROP INDEX {index.name}"
        if facts.primary_key:
            yield (
                f"primary key {table}",
                f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE",
            )
    for trigger in TRIGGERS:
        on = f"{trigger.name} ON {trigger.table}"
        yield f"trigger {trigger.name}", f"DROP TRIGGER {on}"
        yield (
            f"enabled {trigger.name}",
            f"ALTER TABLE {trigger.table} DISABLE TRIGGER {trigger.name}",
        )
    for view in VIEWS:
        yield f"view {view}", f"DROP VIEW {view}"
        yield f"invoker {view}", f"ALTER VIEW {view} RESET (security_invoker)"
    for function in FUNCTIONS:
        yield f"function {function}", f"DROP FUNCTION {function}() CASCADE"
        hollow = f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger"
        yield f"effect {function}", f"{hollow} LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    for function in ("retention_period(text)", "retention_apply()"):
        yield f"function {function}", f"DROP FUNCTION {function} CASCADE"


def _column_removals(table: str) -> Iterator[tuple[str, str]]:
    for column in TABLES[table].columns:
        name = f"{table}.{column.name}"
        alter = f"ALTER TABLE {table} ALTER COLUMN {column.name}"
        if (table, column.name) in _PARTITION_COLUMNS:
            # TimescaleDB does not allow dropping the partition column.
            yield f"column {name}", f"ALTER TABLE {table} RENAME COLUMN {column.name} TO gone"
            continue
        yield f"column {name}", f"ALTER TABLE {table} DROP COLUMN {column.name} CASCADE"
        if column.default is not None:
            yield f"default {name}", f"{alter} DROP DEFAULT"
        if column.name != TABLES[table].primary_key:
            change = "SET" if column.nullable else "DROP"
            yield f"nullable {name}", f"{alter} {change} NOT NULL"


def _unique_columns() -> Iterator[tuple[str, str]]:
    for table, facts in TABLES.items():
        for column in facts.unique:
            yield table, column


@pytest.mark.parametrize(
    "statement", [pytest.param(statement, id=name) for name, statement in _removals()]
)
def test_missing_object_is_detected(owner_cursor, statement):
    owner_cursor.execute(statement)

    assert conformance_errors(owner_cursor) != []


@pytest.mark.parametrize(("table", "column"), list(_unique_columns()))
def test_missing_unique_constraint_is_detected(owner_cursor, table, column):
    owner_cursor.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'u' AND conrelid = %s::regclass"
        " AND conkey = ARRAY(SELECT attnum FROM pg_attribute"
        " WHERE attrelid = conrelid AND attname = %s)",
        [table, column],
    )
    names = [name for (name,) in owner_cursor.fetchall()]
    assert names
    for name in names:
        owner_cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    assert conformance_errors(owner_cursor) == [f"{table}.{column} is not unique"]


@pytest.mark.parametrize("view", VIEWS)
def test_changed_view_is_detected(owner_cursor, view):
    columns = ", ".join(
        f"NULL::{type_} AS {name}" if name != "robot_id" else name
        for name, type_ in VIEWS[view].columns
    )
    owner_cursor.execute(
        f"CREATE OR REPLACE VIEW {view} WITH (security_invoker = true) AS"
        f" SELECT {columns} FROM (SELECT id AS robot_id FROM robots) AS every"
    )

    assert conformance_errors(owner_cursor) == [f"view {view} does not give the rows of its query"]


def test_foreign_key_without_cascade_is_detected(owner_cursor):
    owner_cursor.execute(
        "ALTER TABLE robot_commands DROP CONSTRAINT fk_commands_robot,"
        " ADD CONSTRAINT fk_commands_robot FOREIGN KEY (robot_id) REFERENCES robots (id)"
    )

    assert conformance_errors(owner_cursor) == [
        "foreign key robot_commands.fk_commands_robot has ON DELETE a, not c"
    ]


def test_index_order_is_detected(owner_cursor):
    owner_cursor.execute("DROP INDEX idx_status_history_robot")
    owner_cursor.execute(
        "CREATE INDEX idx_status_history_robot ON robot_status_history (robot_id, time)"
    )

    assert len(conformance_errors(owner_cursor)) == 1


def test_missing_index_condition_is_detected(owner_cursor):
    owner_cursor.execute("DROP INDEX idx_alerts_unresolved")
    owner_cursor.execute("CREATE INDEX idx_alerts_unresolved ON alerts (is_resolved, created_at)")

    assert len(conformance_errors(owner_cursor)) == 1
