"""Row-level security, privileges and audit triggers, independent of the application."""

from __future__ import annotations

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, connection

from apps.audit.models import AuditLog
from apps.robots.models import Robot
from tests.support.database_effects import insert_rows
from urfmp.common.tenancy.context import Actor, audit_action

TENANT_TABLES = sorted(
    model._meta.db_table for model in apps.get_models() if getattr(model, "is_tenant_owned", False)
)
# Tables without a policy. Hypertables cannot have one; queries restrict their rows by robot. The
# others have no tenant data, or only ids of organizations in jobs.
WITHOUT_POLICY = {
    "robot_status_history",
    "robot_telemetry",
    "telemetry_days",
    "telemetry_hours",
    "telemetry_minutes",
    "audit_checkpoint_seals",
    "audit_gaps",
    "audit_heads",
    "audit_spool",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "procrastinate_events",
    "procrastinate_jobs",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
    "rate_limit_counters",
}

# The audit log itself, responses stored for a day, and columns that machines update constantly.
# New events of alerts and tasks are a record themselves; comments and later changes are audited.
UNAUDITED = {
    "alert_events", "alert_rule_states", "maintenance_task_events",
    "audit_logs", "idempotency_keys", "robot_status_repeats", "telemetry_batches",
    "telemetry_import_parts", "robot_import_rows",
    "telemetry_latest", "notification_deliveries",
}  # fmt: skip

_TABLES = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive),
           EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
                   WHERE t.tgrelid = c.oid AND f.proname = 'audit_row' AND t.tgenabled = 'O'
                     AND t.tgtype & (4 | 8 | 16) = (4 | 8 | 16))
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
"""

# A composite reference is served by an index that begins with its more selective column.
_BARE_FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text || '.' || c.conname
    FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
      AND c.conrelid::regclass::text !~ '^(procrastinate|django|auth)_'
      AND NOT EXISTS (
          SELECT FROM pg_index i
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
          WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
            AND i.indkey[0] = ANY (c.conkey)
            AND (cardinality(c.conkey) = 1 OR a.attname <> 'organization_id'))
"""

_JSON_INDEXES = """
    SELECT i.indrelid::regclass::text || '.' || a.attname
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'gin'
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
"""


def _column(cursor, query):
    cursor.execute(query)
    return {row[0] for row in cursor.fetchall()}


@pytest.fixture
def tables(owner_cursor):
    owner_cursor.execute(_TABLES)
    return {name: rest for name, *rest in owner_cursor.fetchall()}


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_tenant_table_has_policy_and_audit_trigger(tables, table):
    secured, forced, has_policy, is_audited = tables[table]
    assert secured
    assert has_policy
    # The owner's SECURITY DEFINER functions read across organizations.
    assert not forced
    assert is_audited or table in UNAUDITED


def test_tables_without_policy_are_listed(tables):
    assert {name for name, facts in tables.items() if not facts[0]} <= WITHOUT_POLICY
    assert {name for name, facts in tables.items() if facts[0]} == set(TENANT_TABLES)


def test_tables_with_organization_are_tenant_tables(owner_cursor):
    carrying = _column(
        owner_cursor,
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public'"
        " AND table_type = 'BASE TABLE' AND column_name = 'organization_id'",
    )
    assert carrying | {"organizations"} == set(TENANT_TABLES)


def test_foreign_keys_are_indexed(owner_cursor):
    assert _column(owner_cursor, _BARE_FOREIGN_KEYS) == set()


def test_filtered_json_columns_are_indexed(owner_cursor):
    wanted = {"robots.location", "robots.configuration", "alerts.metadata"}
    assert wanted <= _column(owner_cursor, _JSON_INDEXES)


def test_runtime_role_has_minimal_privileges(app_cursor):
    app_cursor.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,"
        " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)"
        " FROM pg_roles r WHERE rolname = current_user"
    )
    assert app_cursor.fetchone() == (False, False, False, False, False)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_logs (action, success) VALUES ('forged', true)",
        "UPDATE audit_logs SET success = true",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE robots DISABLE TRIGGER audit_row_trigger",
        "DROP TRIGGER audit_row_trigger ON robots",
        "TRUNCATE robots",
        "SET ROLE urfmp",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id int)",
    ],
)
def test_runtime_role_statement_raises(app_cursor, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute(statement)


def test_audit_clean_up_of_recent_rows_raises(app_cursor):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="at least one year"):
        app_cursor.execute("SELECT audit_clean_up('364 days')")


def test_other_organizations_row_insert_raises(organization_a, organization_b, tenant):
    with tenant(organization_a), pytest.raises(Exception, match="row-level security"):
        Robot.objects.create(
            organization_id=organization_b.id, name="R", vendor="kuka", configuration={}
        )


def _audited(action, resource):
    return list(
        AuditLog.objects.filter(resource_type=resource, action=action)
        .order_by("created_at", "resource_id")
        .values("resource_id", "organization_id", "user_id", "request_id", "before", "after")
    )


@pytest.fixture
def actor(alice):
    return Actor(user_id=alice.id, ip_address="192.0.2.7", request_id="request-1")


def test_bulk_operations_are_audited(organization_a, tenant, actor):
    with tenant(organization_a, actor):
        robots = Robot.objects.bulk_create(
            Robot(organization_id=organization_a.id, name=f"R{n}", vendor="kuka", configuration={})
            for n in range(3)
        )
        for robot in robots:
            robot.name += " renamed"
        Robot.objects.bulk_update(robots, ["name"])
        Robot.objects.update(firmware_version="5.2")
        created = _audited("robots.robot.create", "robot")
        updated = _audited("robots.robot.update", "robot")

    assert {row["resource_id"] for row in created} == {robot.id for robot in robots}
    assert len(updated) == 6
    for row in (*created, *updated):
        assert row["organization_id"] == organization_a.id
        assert row["user_id"] == actor.user_id
        assert row["request_id"] == "request-1"
    renamed = [row for row in updated if "name" in row["after"]]
    assert [set(row["after"]) for row in renamed] == [{"name"}] * 3
    assert renamed[0]["after"]["name"] == f"{renamed[0]['before']['name']} renamed"


def test_raw_sql_is_audited_under_audit_action(organization_a, tenant, make_robot, actor):
    robot = make_robot(organization_a)
    with (
        tenant(organization_a, actor),
        audit_action("robots.robot.relabel"),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE robots SET name = 'By hand' WHERE id = %s", [robot.id])
        (row,) = _audited("robots.robot.relabel", "robot")

    assert row["after"] == {"name": "By hand"}
    assert row["user_id"] == actor.user_id


def test_machine_columns_are_not_audited(organization_a, tenant, make_robot):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        before = AuditLog.objects.count()
        Robot.objects.filter(pk=robot.pk).update(last_seen="2026-01-01T00:00:00Z", status="idle")
        assert AuditLog.objects.count() == before


def test_secrets_are_not_audited(owner_cursor):
    rows = insert_rows(owner_cursor)
    owner_cursor.execute("UPDATE users SET password_hash = 'swordfish' WHERE id = %s", [rows.user])
    text = "v1.1." + "swordfish" * 5
    owner_cursor.execute(
        "UPDATE robots SET connection_config = jsonb_build_object('secrets', jsonb_build_object("
        "'password', jsonb_build_object('value', %s::text, 'set_at', '2026-01-01'))) WHERE id = %s",
        [text, rows.robot],
    )
    owner_cursor.execute(
        "SELECT count(*) FILTER (WHERE after::text LIKE '%%swordfish%%'),"
        " count(*) FILTER (WHERE after::text LIKE '%%[secret]%%')"
        " FROM audit_logs WHERE resource_id IN (%s, %s) AND action LIKE '%%.update'",
        [rows.user, rows.robot],
    )
    assert owner_cursor.fetchone() == (0, 2)


def test_rolled_back_change_is_not_audited(organization_a, tenant, make_robot):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        before = AuditLog.objects.count()
        with pytest.raises(IntegrityError), audit_action("robots.robot.update"):
            Robot.objects.filter(pk=robot.pk).update(name="Never", status="nonsense")
        assert AuditLog.objects.count() == before


@pytest.mark.parametrize("table", ["robot_telemetry", "robot_status_history"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET metadata = NULL", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_history_is_append_only(app_cursor, table, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute(statement.format(table))
