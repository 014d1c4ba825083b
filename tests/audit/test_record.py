"""No change without a record: every tenant table, every way of writing to it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import psycopg
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import (
    ApiKey,
    IdempotencyRecord,
    Invitation,
    OneTimeLink,
    SecondFactor,
    User,
    UserSession,
)
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.services.users import system_user_get, user_update
from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.audit.services.audit_logs import audit_clean_up, audit_record
from apps.maintenance.models import MaintenanceTask
from apps.organizations.models import Facility, Organization
from apps.organizations.services.organizations import organization_update
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.robots import robot_update
from apps.telemetry.models import TelemetryBatch, TelemetryLatest
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction


class Kind:
    """How a row of one table is made, which column is changed, and what must not be read."""

    def __init__(self, model, resource, column, make, secret=(), ignored=None):
        self.model, self.resource, self.column, self.make = model, resource, column, make
        self.secret, self.ignored = secret, ignored or {}


def _unique():
    return uuid.uuid4().hex[:12]


KINDS = [
    Kind(
        User,
        "accounts.user",
        "first_name",
        lambda o, u, r: User(organization=o, email=f"{_unique()}@x.example", password="a$secret$1"),
        secret=("password_hash",),
        ignored={"last_login": timezone.now()},
    ),
    Kind(
        UserSession,
        "accounts.session",
        "user_agent",
        lambda o, u, r: UserSession(
            organization=o, user=u, session_token=_unique(), refresh_token=_unique(),
            expires_at=timezone.now(),
        ),
        secret=("session_token", "refresh_token"),
        ignored={"data": {"a": 1}, "last_activity_at": timezone.now()},
    ),
    Kind(
        ApiKey,
        "accounts.api_key",
        "name",
        lambda o, u, r: ApiKey(
            organization=o, user=u, name="k", key_hash=_unique(), key_prefix="p"
        ),
        secret=("key_hash",),
        ignored={"last_used_at": timezone.now()},
    ),
    Kind(
        Facility,
        "organizations.facility",
        "name",
        lambda o, u, r: Facility(organization=o, name=_unique()),
    ),
    Kind(
        Robot,
        "robots.robot",
        "name",
        lambda o, u, r: Robot(
            organization=o, name="r", vendor="abb", serial_number=_unique(),
            connection_config={"password": "open sesame"},
        ),
        secret=("connection_config",),
        ignored={"last_seen": timezone.now(), "status": "idle", "reported_status": "idle"},
    ),
    Kind(
        RobotCommand,
        "robots.command",
        "error_message",
        lambda o, u, r: RobotCommand(organization=o, robot=r, type="start"),
    ),
    Kind(
        MaintenanceTask,
        "maintenance.maintenance_task",
        "title",
        lambda o, u, r: MaintenanceTask(
            organization=o, title="t", type="cleaning", created_by=u, robot=r
        ),
    ),
    Kind(
        Alert,
        "alerts.alert",
        "title",
        lambda o, u, r: Alert(
            organization=o, type="system", severity="info", title="a", message="m", robot=r
        ),
    ),
]  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model._meta.db_table)


def test_every_tenant_table_is_here():
    tables = {m for m in apps.get_models() if getattr(m, "is_tenant_owned", False)}
    # An organization is nobody's to insert or delete here; the record does not record itself, nor
    # answers that are kept for a day beside what they answered, nor what telemetry moves.
    unrecorded = {AuditLog, IdempotencyRecord, TelemetryBatch, TelemetryLatest}
    elsewhere = {Invitation, OneTimeLink, SecondFactor}  # tests/audit/test_secret_rows.py
    assert tables == {kind.model for kind in KINDS} | {Organization} | unrecorded | elsewhere


@pytest.fixture
def room(organization_a, alice, make_robot):
    """A tenant transaction with somebody acting in it; what led here is out of sight."""
    robot = make_robot(organization_a)
    actor = Actor(
        user_id=alice.pk, ip_address="192.0.2.1", user_agent="Test/1", request_id="request-1"
    )
    with tenant_transaction(organization_a.id, actor):
        seen = set(AuditLog.objects.values_list("pk", flat=True))
        yield Room(organization_a, alice, robot, seen)


class Room:
    def __init__(self, organization, user, robot, seen):
        self.organization, self.user, self.robot, self.seen = organization, user, robot, seen

    def new(self, kind):
        return kind.make(self.organization, self.user, self.robot)

    def saved(self, kind, count=1):
        rows = [self.new(kind) for _ in range(count)]
        for row in rows:
            row.save(force_insert=True)
        self.records()
        return rows if count > 1 else rows[0]

    def records(self):
        """Return what was recorded since the last look."""
        rows = list(AuditLog.objects.exclude(pk__in=self.seen))
        self.seen |= {row.pk for row in rows}
        return rows


@kinds
def test_insert_update_delete_through_the_orm(kind, room):
    row = room.new(kind)
    row.save(force_insert=True)
    (made,) = room.records()
    assert (made.action, made.resource_id) == (f"{kind.resource}.create", row.pk)
    assert made.resource_type == kind.resource.split(".")[1]
    assert made.before is None
    assert made.after["id"] == str(row.pk)
    assert made.after["organization_id"] == str(room.organization.pk)
    assert (made.organization_id, made.user_id) == (room.organization.pk, room.user.pk)
    assert (made.ip_address, made.user_agent) == ("192.0.2.1", "Test/1")
    assert (made.request_id, made.api_key_id, made.success) == ("request-1", None, True)

    old = getattr(row, kind.column)
    setattr(row, kind.column, "changed")
    row.save()
    (changed,) = room.records()
    assert changed.action == f"{kind.resource}.update"
    assert (changed.before, changed.after) == ({kind.column: old}, {kind.column: "changed"})

    pk = row.pk
    row.delete()
    (gone,) = room.records()
    assert (gone.action, gone.resource_id) == (f"{kind.resource}.delete", pk)
    assert gone.before[kind.column] == "changed"
    assert gone.after is None


@kinds
def test_bulk_operations(kind, room):
    rows = [room.new(kind) for _ in range(3)]
    kind.model.objects.bulk_create(rows)
    assert {r.resource_id for r in room.records()} == {row.pk for row in rows}
    for number, row in enumerate(rows):
        setattr(row, kind.column, f"bulk {number}")
    kind.model.objects.bulk_update(rows, [kind.column])
    records = room.records()
    assert {r.after[kind.column] for r in records} == {"bulk 0", "bulk 1", "bulk 2"}
    keys = [row.pk for row in rows]
    # Unique columns keep the table from taking one value for all.
    kind.model.objects.filter(pk__in=keys[:1]).update(**{kind.column: "one"})
    (record,) = room.records()
    assert record.before == {kind.column: "bulk 0"}
    kind.model.objects.filter(pk__in=keys).delete()
    assert {r.action for r in room.records()} == {f"{kind.resource}.delete"}


@kinds
def test_raw_sql(kind, room):
    rows = room.saved(kind, 2)
    table = kind.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {kind.column} = 'raw ' || id WHERE id = ANY (%s)",
            [[row.pk for row in rows]],
        )
        assert {r.resource_id for r in room.records()} == {row.pk for row in rows}
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [rows[0].pk])
    (record,) = room.records()
    assert record.before[kind.column] == f"raw {rows[0].pk}"


@kinds
def test_update_that_changes_nothing_leaves_nothing(kind, room):
    row = room.saved(kind)
    row.save()
    kind.model.objects.filter(pk=row.pk).update(**{kind.column: getattr(row, kind.column)})
    assert room.records() == []


@pytest.mark.parametrize("kind", [k for k in KINDS if k.ignored], ids=lambda k: k.resource)
def test_columns_that_machines_move_leave_nothing(kind, room):
    row = room.saved(kind)
    for column, value in kind.ignored.items():
        kind.model.objects.filter(pk=row.pk).update(**{column: value})
    assert room.records() == []
    kind.model.objects.filter(pk=row.pk).update(**kind.ignored, **{kind.column: "seen"})
    (record,) = room.records()
    assert set(record.after) == {kind.column}


@pytest.mark.parametrize("kind", [k for k in KINDS if k.secret], ids=lambda k: k.resource)
def test_secrets_are_not_told(kind, room):
    row = room.new(kind)
    secrets = {
        column: field.value_from_object(row)
        for field in kind.model._meta.fields
        if (column := field.column) in kind.secret
    }
    row.save(force_insert=True)
    with connection.cursor() as cursor:
        for column in kind.secret:
            value = '\'{"password": "other"}\'' if "config" in column else "'other'"
            cursor.execute(
                f"UPDATE {kind.model._meta.db_table} SET {column} = {value} WHERE id = %s",
                [row.pk],
            )
    row.refresh_from_db()
    row.delete()
    made, *changes, gone = sorted(
        room.records(), key=lambda r: (r.after is None, r.before is not None)
    )
    for column, secret in secrets.items():
        assert made.after[column] == gone.before[column] == "[secret]"
        told = [r for r in changes if column in r.after]
        assert [(r.before[column], r.after[column]) for r in told] == [("[secret]", "[secret]")]
        text = str(secret["password"]) if isinstance(secret, dict) else str(secret)
        for record in (made, *changes, gone):
            assert text not in str((record.before, record.after))
            assert "other" not in str((record.before, record.after))


def test_a_null_secret_is_told_as_null(room):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE robots SET connection_config = '{}' WHERE id = %s", [room.robot.pk])
    (record,) = room.records()
    assert record.before == {"connection_config": None}
    assert record.after == {"connection_config": "[secret]"}


def test_services_name_what_they_do(room):
    robot_update(room.robot, name="New")
    (record,) = room.records()
    assert (record.action, record.after) == ("robots.robot.update", {"name": "New"})
    user_update(room.user, first_name="Al")
    assert [r.action for r in room.records()] == ["accounts.user.update"]
    organization_update(room.organization, description="d")
    assert [r.action for r in room.records()] == ["organizations.organization.update"]
    with audit_action("robots.robot.import"):
        robot_update(room.robot, name="Newer")
    assert [r.action for r in room.records()] == ["robots.robot.import"]
    Robot.objects.update(name="after the act")
    assert [r.action for r in room.records()] == ["robots.robot.update"]


def test_failed_act_leaves_neither_rows_nor_its_name(room):
    class OddError(Exception):
        pass

    def fail():
        with audit_action("robots.robot.import"):
            Robot.objects.update(name="x")
            raise OddError

    with pytest.raises(OddError):
        fail()
    assert room.records() == []
    Robot.objects.update(name="y")
    assert [r.action for r in room.records()] == ["robots.robot.update"]


def test_rollback_leaves_none(room):
    with transaction.atomic():
        room.saved(KINDS[3])
        Robot.objects.update(name="x")
        transaction.set_rollback(True)
    assert room.records() == []


def test_request_of_a_key_is_recorded_as_such(organization_a, tenant, make_facility):
    with tenant(organization_a):
        row, key = api_key_create(
            organization_id=organization_a.id,
            user=system_user_get(organization_id=organization_a.id),
            name="k",
            permissions=["organization:read", "organization:write"],
        )
    facility = make_facility(organization_a)
    answer = Client(REMOTE_ADDR="192.0.2.5").patch(
        f"/api/v1/facilities/{facility.pk}",
        {"name": "Hall 2"},
        content_type="application/json",
        headers={"x-api-key": key, "user-agent": "Probe", "x-request-id": "from-the-client"},
    )
    assert answer.status_code == 200
    with tenant(organization_a):
        record = AuditLog.objects.get(action="organizations.facility.update")
    assert (record.api_key_id, record.user_id) == (row.pk, None)
    assert (record.ip_address, record.user_agent) == ("192.0.2.5", "Probe")
    assert record.request_id == answer["X-Request-ID"] == "from-the-client"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_logs (action, success) VALUES ('x', true)",
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs ADD x int",
        "DROP TABLE audit_logs",
        "ALTER TABLE robots DISABLE TRIGGER audit_row_trigger",
        "DROP TRIGGER audit_row_trigger ON robots",
        "ALTER TABLE audit_logs DISABLE TRIGGER audit_link_trigger",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "UPDATE audit_heads SET seq = 0",
        "DELETE FROM audit_heads",
        "TRUNCATE audit_heads",
        "INSERT INTO audit_gaps VALUES (1, gen_random_uuid(), 1, 2, '')",
        "SELECT * FROM audit_heads",
        "SET session_replication_role = replica",
        "SET LOCAL session_replication_role = replica",
        "CREATE TRIGGER t AFTER INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_link()",
        "CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger LANGUAGE sql AS ''",
        "ALTER TABLE robots DISABLE ROW LEVEL SECURITY",
        "SET ROLE urfmp",
    ],
)
def test_run_time_role_cannot_touch_the_record(statement, app_cursor):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute(statement)


def test_model_refuses_to_write(room):
    record = AuditLog.objects.first()
    with pytest.raises(TypeError):
        record.save()
    with pytest.raises(TypeError):
        record.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditLog.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_record_outside_of_a_tenant_belongs_to_the_platform(organization_a, tenant, owner_cursor):
    key = audit_record(action="platform.thing.view", resource_type="thing", success=False)
    owner_cursor.execute(
        "SELECT organization_id, user_id, action, success FROM audit_logs WHERE id = %s", [key]
    )
    assert owner_cursor.fetchone() == (None, None, "platform.thing.view", False)
    with tenant(organization_a):
        assert not AuditLog.objects.filter(pk=key).exists()


def test_record_inside_is_the_organizations(room):
    with audit_action("robots.robot.export"):
        key = audit_record(action="telemetry.series.export", request_data={"x": "ü"})
    (record,) = room.records()
    assert record.pk == key
    assert record.organization_id == room.organization.pk
    assert (record.action, record.request_data) == ("telemetry.series.export", {"x": "ü"})
    assert record.user_id == room.user.pk


def test_clean_up_deletes_what_is_older_than_a_year(owner_cursor):
    for days in (1, 364, 367, 800):
        owner_cursor.execute(
            "INSERT INTO audit_logs (action, success, created_at) VALUES (%s, true, %s)",
            [f"d{days}", timezone.now() - timedelta(days=days)],
        )
    owner_cursor.execute("SELECT audit_clean_up()")
    assert owner_cursor.fetchone()[0] == 2
    owner_cursor.execute("SELECT action FROM audit_logs WHERE action LIKE 'd%' ORDER BY action")
    assert owner_cursor.fetchall() == [("d1",), ("d364",)]


@pytest.mark.parametrize("keep", ["1 day", "0", "-1 day", "364 days", "11 months"])
def test_clean_up_refuses_less_than_a_year(keep, app_cursor):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        app_cursor.execute("SELECT audit_clean_up(%s::interval)", [keep])


def test_clean_up_service_runs_as_the_run_time_role(db):
    assert audit_clean_up() == 0
