"""Compare a database with the specified schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.database_effects import effect_errors
from tests.support.spec import (
    FUNCTIONS,
    HYPERTABLES,
    TABLES,
    TRIGGERS,
    VIEWS,
    Column,
    ForeignKey,
    Index,
    Table,
    Trigger,
    View,
)

_COLUMNS = """
    SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod),
           NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
    ORDER BY c.relname, a.attnum
"""

_FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text, c.conname, c.confrelid::regclass::text,
           c.confdeltype::text, c.convalidated,
           ARRAY(SELECT a.attname::text || '>' || f.attname::text
                 FROM unnest(c.conkey, c.confkey) AS pair (own, other)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = pair.own
                 JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = pair.other)
    FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""

_INDEXES = """
    SELECT i.indrelid::regclass::text, c.relname, m.amname, i.indisunique, i.indisprimary,
           i.indisvalid, pg_get_expr(i.indpred, i.indrelid),
           ARRAY(SELECT replace(pg_get_indexdef(i.indexrelid, n, true), '"', '')
                        || CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END
                 FROM generate_series(1, i.indnkeyatts) AS n)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam
    WHERE c.relnamespace = 'public'::regnamespace
"""

_TRIGGERS = """
    SELECT t.tgrelid::regclass::text, t.tgname, p.proname, t.tgenabled::text,
           t.tgtype & 1 = 1, t.tgtype & 2 = 2,
           array_remove(ARRAY[
               CASE WHEN t.tgtype & 4 = 4 THEN 'INSERT' END,
               CASE WHEN t.tgtype & 8 = 8 THEN 'DELETE' END,
               CASE WHEN t.tgtype & 16 = 16 THEN 'UPDATE' END], NULL)
    FROM pg_trigger t
    JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
      AND t.tgqual IS NULL AND t.tgattr = ''::int2vector
"""

_FUNCTIONS = """
    SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace AND l.lanname = 'plpgsql'
      AND p.prorettype = 'trigger'::regtype AND p.pronargs = 0
"""

_SECURITY_INVOKER = """
    SELECT relname FROM pg_class
    WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
      AND reloptions @> ARRAY['security_invoker=true']
"""

_POLICIES = """
    SELECT hypertable_name, config ->> 'drop_after'
    FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'
"""


def conformance_errors(cursor: Any) -> list[str]:
    """Return the differences of the database from the specification.

    Works inside the open transaction and rolls back its changes.

    Args:
        cursor: Cursor of the tables' owner.
    """
    errors = [*_structure_errors(cursor)]
    # The statements would fail on objects that are already reported as missing.
    return errors or effect_errors(cursor)


def _structure_errors(cursor: Any) -> Iterator[str]:
    yield from _column_errors(cursor)
    yield from _key_errors(cursor)
    yield from _index_errors(cursor)
    yield from _routine_errors(cursor)
    yield from _hypertable_errors(cursor)


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _column_errors(cursor: Any) -> Iterator[str]:
    tables: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
    views: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for relation, kind, name, *rest in _rows(cursor, _COLUMNS):
        if kind == "v":
            views[relation].append((name, rest[0]))
        else:
            tables[relation][name] = tuple(rest)
    for table, facts in TABLES.items():
        for column in facts.columns:
            yield from _column_error(cursor, table, column, tables[table].get(column.name))
    invokers = {name for (name,) in _rows(cursor, _SECURITY_INVOKER)}
    for name, view in VIEWS.items():
        yield from _view_error(name, view, views[name], invokes=name in invokers)


def _column_error(
    cursor: Any, table: str, column: Column, found: tuple[Any, ...] | None
) -> Iterator[str]:
    name = f"{table}.{column.name}"
    if found is None:
        yield f"column {name} is missing"
        return
    found_type, nullable, default = found
    if found_type != column.type:
        yield f"column {name} is {found_type}, not {column.type}"
    if nullable != column.nullable:
        yield f"column {name} is {'' if nullable else 'not '}nullable"
    if not _same_default(cursor, column, default):
        yield f"column {name} has default {default}, not {column.default}"


def _same_default(cursor: Any, column: Column, found: str | None) -> bool:
    if found is None or column.default is None:
        return found is column.default
    if column.default.endswith("()"):
        return found == column.default
    cursor.execute(f"SELECT ({found})::{column.type} = ({column.default})::{column.type}")
    return bool(cursor.fetchone()[0])


def _view_error(
    name: str, view: View, found: list[tuple[str, str]], *, invokes: bool
) -> Iterator[str]:
    if not found:
        yield f"view {name} is missing"
    elif tuple(found) != view.columns:
        yield f"view {name} has columns {found}"
    elif not invokes:
        yield f"view {name} reads with its owner's rights"


def _key_errors(cursor: Any) -> Iterator[str]:
    found = {(row[0], row[1]): row[2:] for row in _rows(cursor, _FOREIGN_KEYS)}
    for table, facts in TABLES.items():
        for key in facts.foreign_keys:
            yield from _foreign_key_error(table, key, found.get((table, key.name)))


def _foreign_key_error(table: str, key: ForeignKey, found: tuple[Any, ...] | None) -> Iterator[str]:
    if found is None:
        yield f"foreign key {table}.{key.name} is missing"
        return
    target, on_delete, validated, pairs = found
    if target != key.target or f"{key.column}>id" not in pairs:
        yield f"foreign key {table}.{key.name} refers to {target} by {pairs}"
    if on_delete != key.on_delete:
        yield f"foreign key {table}.{key.name} has ON DELETE {on_delete}, not {key.on_delete}"
    if not validated:
        yield f"foreign key {table}.{key.name} is not validated"


def _index_errors(cursor: Any) -> Iterator[str]:
    rows = _rows(cursor, _INDEXES)
    named = {(row[0], row[1]): row[2:] for row in rows}
    # Columns of unique indexes without a condition.
    unique = {(row[0], tuple(row[7])) for row in rows if row[3] and row[5] and row[6] is None}
    primary = {(row[0], tuple(row[7])) for row in rows if row[4]}
    for table, facts in TABLES.items():
        for index in facts.indexes:
            yield from _index_error(table, index, named.get((table, index.name)))
        yield from _unique_error(table, facts, unique, primary)


def _unique_error(
    table: str,
    facts: Table,
    unique: set[tuple[str, tuple[str, ...]]],
    primary: set[tuple[str, tuple[str, ...]]],
) -> Iterator[str]:
    for column in facts.unique:
        if (table, (column,)) not in unique:
            yield f"{table}.{column} is not unique"
    if facts.primary_key and (table, (facts.primary_key,)) not in primary:
        yield f"{table} lacks its primary key"


def _index_error(table: str, index: Index, found: tuple[Any, ...] | None) -> Iterator[str]:
    name = f"{table}.{index.name}"
    if found is None:
        yield f"index {name} is missing"
        return
    method, is_unique, _, is_valid, predicate, columns = found
    if method != "btree" or is_unique or not is_valid:
        yield f"index {name} is {method}, unique {is_unique}, valid {is_valid}"
    if tuple(columns) != index.columns:
        yield f"index {name} has columns {columns}, not {index.columns}"
    if (predicate or "").strip("()") != (index.predicate or ""):
        yield f"index {name} has the condition {predicate}, not {index.predicate}"


def _routine_errors(cursor: Any) -> Iterator[str]:
    functions = {name for (name,) in _rows(cursor, _FUNCTIONS)}
    for name in FUNCTIONS:
        if name not in functions:
            yield f"function {name}() is missing"
    triggers = {(row[0], row[1]): row[2:] for row in _rows(cursor, _TRIGGERS)}
    for trigger in TRIGGERS:
        yield from _trigger_error(trigger, triggers.get((trigger.table, trigger.name)))


def _trigger_error(trigger: Trigger, found: tuple[Any, ...] | None) -> Iterator[str]:
    name = f"{trigger.table}.{trigger.name}"
    if found is None:
        yield f"trigger {name} is missing"
        return
    function, enabled, each_row, before, events = found
    if function != trigger.function or not each_row:
        yield f"trigger {name} calls {function}, for each row {each_row}"
    if (trigger.timing == "BEFORE") != before or not trigger.events <= set(events):
        yield f"trigger {name} fires before {before} on {events}"
    if enabled != "O":
        yield f"trigger {name} is not enabled"


def _hypertable_errors(cursor: Any) -> Iterator[str]:
    dimensions = dict(
        _rows(
            cursor,
            "SELECT hypertable_name, column_name FROM timescaledb_information.dimensions"
            " WHERE hypertable_schema = 'public' AND dimension_number = 1",
        )
    )
    cursor.execute("SELECT current_setting('timescaledb.license')")
    has_policies = cursor.fetchone()[0] == "timescale"
    policies = dict(_rows(cursor, _POLICIES)) if has_policies else {}
    for hypertable in HYPERTABLES:
        if dimensions.get(hypertable.name) != hypertable.column:
            yield f"{hypertable.name} is not a hypertable over {hypertable.column}"
    cursor.execute(
        "SELECT to_regprocedure('retention_period(text)') IS NULL"
        " OR to_regprocedure('retention_apply()') IS NULL"
    )
    if cursor.fetchone()[0]:
        yield "the functions of retention are missing"
        return
    for hypertable in HYPERTABLES:
        cursor.execute(
            "SELECT coalesce(%s::interval, retention_period(%s)) = %s::interval",
            [policies.get(hypertable.name), hypertable.name, hypertable.keep],
        )
        if cursor.fetchone()[0] is not True:
            yield f"{hypertable.name} is not kept for {hypertable.keep}"
        if has_policies and hypertable.name not in policies:
            yield f"{hypertable.name} has no retention policy"
