"""Every change of a tenant table writes an audit row, whatever writes it."""

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
from apps.alerts.models import (
    Alert,
    AlertEvent,
    AlertRule,
    AlertRuleState,
    Delivery,
    NotificationChannel,
    NotificationPreference,
    NotificationRoute,
    NotificationStep,
    PushKey,
    PushSubscription,
    Silence,
)
from apps.audit.models import AuditLog
from apps.audit.services.audit_logs import audit_clean_up, audit_record
from apps.maintenance.models import (
    CalendarFeed,
    LabourEntry,
    MaintenanceSchedule,
    MaintenanceScheduleState,
    MaintenanceTask,
    Part,
    PartMovement,
    PartStock,
    RobotLabel,
    TaskEvent,
    TaskFile,
    TaskPart,
    TaskStep,
    TaskTemplate,
    TemplatePart,
    TemplateStep,
    WorkRequest,
)
from apps.organizations.models import Facility, FloorPlan, Organization
from apps.organizations.services.organizations import organization_update
from apps.robots.models import (
    Robot,
    RobotClaimCode,
    RobotCommand,
    RobotImport,
    RobotImportRow,
    RobotStatusRepeat,
)
from apps.robots.services.robots import robot_update
from apps.telemetry.models import (
    TelemetryBatch,
    TelemetryImport,
    TelemetryImportPart,
    TelemetryLatest,
)
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction


class Kind:
    """A table: how to create a row, the column to change, secret and ignored columns."""

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
        lambda o, u, r: Robot(organization=o, name="r", vendor="abb", serial_number=_unique()),
        ignored={
            "last_seen": timezone.now(),
            "lease_expires_at": timezone.now(),
            "presence_lost_at": timezone.now(),
            "status": "idle",
            "reported_status": "idle",
        },
    ),
    Kind(
        RobotCommand,
        "robots.command",
        "error_message",
        lambda o, u, r: RobotCommand(
            organization=o, robot=r, type="start",
            expires_at=timezone.now() + timedelta(seconds=30),
        ),
        ignored={"progress": 7, "progress_text": "half", "version": 3},
    ),
    Kind(
        TelemetryImport,
        "telemetry.import",
        "error_message",
        lambda o, u, r: TelemetryImport(
            organization=o, robot=r, created_by=u, file_name="run.csv", file_bytes=1
        ),
        ignored={"last_row": 7, "accepted": 7},
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
        MaintenanceSchedule,
        "maintenance.maintenance_schedule",
        "title",
        lambda o, u, r: MaintenanceSchedule(
            organization=o, title="t", running_hours=9, created_by=u, robot=r
        ),
    ),
    Kind(
        Part,
        "maintenance.part",
        "name",
        lambda o, u, r: Part(organization=o, number=_unique(), name="p"),
    ),
    Kind(
        AlertRule,
        "alerts.alert_rule",
        "name",
        lambda o, u, r: AlertRule(organization=o, name=_unique(), condition={}),
    ),
    Kind(
        NotificationChannel,
        "alerts.channel",
        "name",
        lambda o, u, r: NotificationChannel(
            organization=o, name=_unique(), kind="webhook", url="https://x.example",
            signing_secret="v1.1.a", previous_secret="v1.1.b", auth_secret="v1.1.c",
        ),
        secret=("signing_secret", "previous_secret", "auth_secret"),
    ),
    Kind(
        NotificationRoute,
        "alerts.route",
        "name",
        lambda o, u, r: NotificationRoute(organization=o, name=_unique()),
    ),
    Kind(
        Silence,
        "alerts.silence",
        "reason",
        lambda o, u, r: Silence(
            organization=o, reason="r", starts_at=timezone.now(),
            ends_at=timezone.now() + timedelta(hours=1),
        ),
    ),
    Kind(
        Alert,
        "alerts.alert",
        "title",
        lambda o, u, r: Alert(
            organization=o, type="system", severity="info", title="a", message="m", robot=r,
            key=uuid.uuid4().hex,
        ),
    ),
]  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model._meta.db_table)


def test_every_tenant_table_is_covered():
    tables = {m for m in apps.get_models() if getattr(m, "is_tenant_owned", False)}
    # Organizations cannot be inserted or deleted here. Not audited are the audit log itself, stored
    # responses, which are kept for a day, and columns that telemetry updates.
    unrecorded = {
        AlertRuleState, AuditLog, IdempotencyRecord, RobotStatusRepeat, TelemetryBatch,
        TelemetryImportPart, TelemetryLatest, Delivery, RobotImportRow,
    }  # fmt: skip
    # In tests/audit/test_secret_columns.py, or in the tests of their own subject.
    elsewhere = {Invitation, OneTimeLink, SecondFactor, AlertEvent, FloorPlan, RobotClaimCode}
    elsewhere |= {LabourEntry}  # in tests/maintenance/test_labour.py
    elsewhere |= {TaskEvent}  # in tests/maintenance/test_task_life_cycle.py
    elsewhere |= {MaintenanceScheduleState}  # in tests/maintenance/test_schedules.py
    elsewhere |= {CalendarFeed}  # in tests/maintenance/test_calendar_feeds.py
    elsewhere |= {PartStock, PartMovement, TaskPart}  # in tests/maintenance/test_parts.py
    # in tests/maintenance/test_checklists.py and test_task_files.py
    elsewhere |= {TaskTemplate, TemplateStep, TemplatePart, TaskStep, TaskFile}
    elsewhere |= {RobotLabel, WorkRequest}  # in tests/maintenance/test_work_requests.py
    elsewhere |= {NotificationStep, NotificationPreference, RobotImport}
    elsewhere |= {PushKey, PushSubscription}  # in tests/alerts/notifications/test_web_push.py
    assert tables == {kind.model for kind in KINDS} | {Organization} | unrecorded | elsewhere


@pytest.fixture
def audited(organization_a, alice, make_robot):
    """A tenant transaction with an actor; earlier audit rows are ignored."""
    robot = make_robot(organization_a)
    actor = Actor(
        user_id=alice.pk, ip_address="192.0.2.1", user_agent="Test/1", request_id="request-1"
    )
    with tenant_transaction(organization_a.id, actor):
        seen = set(AuditLog.objects.values_list("pk", flat=True))
        yield AuditedTransaction(organization_a, alice, robot, seen)


class AuditedTransaction:
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
        """Return the audit rows written since the last call."""
        rows = list(AuditLog.objects.exclude(pk__in=self.seen))
        self.seen |= {row.pk for row in rows}
        return rows


@kinds
def test_orm_insert_update_delete_write_audit_rows(kind, audited):
    row = audited.new(kind)
    row.save(force_insert=True)
    (made,) = audited.records()
    assert (made.action, made.resource_id) == (f"{kind.resource}.create", row.pk)
    assert made.resource_type == kind.resource.split(".")[1]
    assert made.before is None
    assert made.after["id"] == str(row.pk)
    assert made.after["organization_id"] == str(audited.organization.pk)
    assert (made.organization_id, made.user_id) == (audited.organization.pk, audited.user.pk)
    assert (made.ip_address, made.user_agent) == ("192.0.2.1", "Test/1")
    assert (made.request_id, made.api_key_id, made.success) == ("request-1", None, True)

    old = getattr(row, kind.column)
    setattr(row, kind.column, "changed")
    row.save()
    (changed,) = audited.records()
    assert changed.action == f"{kind.resource}.update"
    assert (changed.before, changed.after) == ({kind.column: old}, {kind.column: "changed"})

    pk = row.pk
    row.delete()
    (gone,) = audited.records()
    assert (gone.action, gone.resource_id) == (f"{kind.resource}.delete", pk)
    assert gone.before[kind.column] == "changed"
    assert gone.after is None


@kinds
def test_bulk_operations_write_audit_rows(kind, audited):
    rows = [audited.new(kind) for _ in range(3)]
    kind.model.objects.bulk_create(rows)
    assert {r.resource_id for r in audited.records()} == {row.pk for row in rows}
    for number, row in enumerate(rows):
        setattr(row, kind.column, f"bulk {number}")
    kind.model.objects.bulk_update(rows, [kind.column])
    records = audited.records()
    assert {r.after[kind.column] for r in records} == {"bulk 0", "bulk 1", "bulk 2"}
    keys = [row.pk for row in rows]
    # Unique columns cannot have one value for all rows.
    kind.model.objects.filter(pk__in=keys[:1]).update(**{kind.column: "one"})
    (record,) = audited.records()
    assert record.before == {kind.column: "bulk 0"}
    kind.model.objects.filter(pk__in=keys).delete()
    assert {r.action for r in audited.records()} == {f"{kind.resource}.delete"}


@kinds
def test_raw_sql_writes_audit_rows(kind, audited):
    rows = audited.saved(kind, 2)
    table = kind.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {kind.column} = 'raw ' || id WHERE id = ANY (%s)",
            [[row.pk for row in rows]],
        )
        assert {r.resource_id for r in audited.records()} == {row.pk for row in rows}
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [rows[0].pk])
    (record,) = audited.records()
    assert record.before[kind.column] == f"raw {rows[0].pk}"


@kinds
def test_update_without_changes_writes_no_audit_row(kind, audited):
    row = audited.saved(kind)
    row.save()
    kind.model.objects.filter(pk=row.pk).update(**{kind.column: getattr(row, kind.column)})
    assert audited.records() == []


@pytest.mark.parametrize("kind", [k for k in KINDS if k.ignored], ids=lambda k: k.resource)
def test_ignored_columns_write_no_audit_row(kind, audited):
    row = audited.saved(kind)
    for column, value in kind.ignored.items():
        kind.model.objects.filter(pk=row.pk).update(**{column: value})
    assert audited.records() == []
    kind.model.objects.filter(pk=row.pk).update(**kind.ignored, **{kind.column: "seen"})
    (record,) = audited.records()
    assert set(record.after) == {kind.column}


@pytest.mark.parametrize("kind", [k for k in KINDS if k.secret], ids=lambda k: k.resource)
def test_secrets_are_masked(kind, audited):
    row = audited.new(kind)
    secrets = {
        column: field.value_from_object(row)
        for field in kind.model._meta.fields
        if (column := field.column) in kind.secret
    }
    row.save(force_insert=True)
    with connection.cursor() as cursor:
        for column in kind.secret:
            cursor.execute(
                f"UPDATE {kind.model._meta.db_table} SET {column} = 'other' WHERE id = %s",
                [row.pk],
            )
    row.refresh_from_db()
    row.delete()
    made, *changes, gone = sorted(
        audited.records(), key=lambda r: (r.after is None, r.before is not None)
    )
    for column, secret in secrets.items():
        assert made.after[column] == gone.before[column] == "[secret]"
        changed_rows = [r for r in changes if column in r.after]
        assert [(r.before[column], r.after[column]) for r in changed_rows] == [
            ("[secret]", "[secret]")
        ]
        for record in (made, *changes, gone):
            assert str(secret) not in str((record.before, record.after))
            assert "other" not in str((record.before, record.after))


def test_null_secret_is_audited_as_null(audited):
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE robots SET connection_config = \'{"host": "h"}\' WHERE id = %s',
            [audited.robot.pk],
        )
    (record,) = audited.records()
    assert record.before == {"connection_config": None}
    assert record.after == {"connection_config": {"host": "h"}}


def test_services_set_action_names(audited):
    robot_update(audited.robot, name="New")
    (record,) = audited.records()
    assert (record.action, record.after) == ("robots.robot.update", {"name": "New"})
    user_update(audited.user, first_name="Al")
    assert [r.action for r in audited.records()] == ["accounts.user.update"]
    organization_update(audited.organization, description="d")
    assert [r.action for r in audited.records()] == ["organizations.organization.update"]
    with audit_action("robots.robot.import"):
        robot_update(audited.robot, name="Newer")
    assert [r.action for r in audited.records()] == ["robots.robot.import"]
    Robot.objects.update(name="after the act")
    assert [r.action for r in audited.records()] == ["robots.robot.update"]


def test_failed_action_writes_no_rows_and_resets_name(audited):
    class UnexpectedError(Exception):
        pass

    def fail():
        with audit_action("robots.robot.import"):
            Robot.objects.update(name="x")
            raise UnexpectedError

    with pytest.raises(UnexpectedError):
        fail()
    assert audited.records() == []
    Robot.objects.update(name="y")
    assert [r.action for r in audited.records()] == ["robots.robot.update"]


def test_rollback_writes_no_audit_rows(audited):
    with transaction.atomic():
        audited.saved(KINDS[3])
        Robot.objects.update(name="x")
        transaction.set_rollback(True)
    assert audited.records() == []


def test_api_key_request_writes_audit_row(organization_a, tenant, make_facility):
    with tenant(organization_a):
        row, key = api_key_create(
            organization_id=organization_a.id,
            user=system_user_get(organization_id=organization_a.id),
            name="k",
            permissions=["organization:read", "organization:write"],
        )
    facility = make_facility(organization_a)
    response = Client(REMOTE_ADDR="192.0.2.5").patch(
        f"/api/v1/facilities/{facility.pk}",
        {"name": "Hall 2"},
        content_type="application/json",
        headers={"x-api-key": key, "user-agent": "Probe", "x-request-id": "from-the-client"},
    )
    assert response.status_code == 200
    with tenant(organization_a):
        record = AuditLog.objects.get(action="organizations.facility.update")
    assert (record.api_key_id, record.user_id) == (row.pk, None)
    assert (record.ip_address, record.user_agent) == ("192.0.2.5", "Probe")
    assert record.request_id == response["X-Request-ID"] == "from-the-client"


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
def test_runtime_role_cannot_change_audit_log(statement, app_cursor):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute(statement)


def test_model_cannot_save_or_delete(audited):
    record = AuditLog.objects.first()
    with pytest.raises(TypeError):
        record.save()
    with pytest.raises(TypeError):
        record.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditLog.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_audit_record_without_tenant_belongs_to_platform(organization_a, tenant, owner_cursor):
    key = audit_record(action="platform.thing.view", resource_type="thing", success=False)
    owner_cursor.execute(
        "SELECT organization_id, user_id, action, success FROM audit_logs WHERE id = %s", [key]
    )
    assert owner_cursor.fetchone() == (None, None, "platform.thing.view", False)
    with tenant(organization_a):
        assert not AuditLog.objects.filter(pk=key).exists()


def test_audit_record_in_tenant_belongs_to_organization(audited):
    with audit_action("robots.robot.export"):
        key = audit_record(action="telemetry.series.export", request_data={"x": "ü"})
    (record,) = audited.records()
    assert record.pk == key
    assert record.organization_id == audited.organization.pk
    assert (record.action, record.request_data) == ("telemetry.series.export", {"x": "ü"})
    assert record.user_id == audited.user.pk


def test_clean_up_deletes_rows_older_than_a_year(owner_cursor):
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
def test_clean_up_rejects_retention_under_a_year(keep, app_cursor):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        app_cursor.execute("SELECT audit_clean_up(%s::interval)", [keep])


def test_clean_up_runs_as_runtime_role(db):
    assert audit_clean_up() == 0
