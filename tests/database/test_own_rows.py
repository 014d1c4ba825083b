"""Raw SQL of the run-time role writes and names nothing of another organization."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.accounts.services.users import system_user_get
from tests.support.telemetry_points import insert_points

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROLLUPS = ("telemetry_minutes", "telemetry_hours", "telemetry_days")
WRITES = {
    "robot_telemetry": (
        "INSERT INTO robot_telemetry (time, robot_id, metric_name)"
        " VALUES (%(time)s, %(robot)s, 'x')"
    ),
    "robot_status_history": (
        "INSERT INTO robot_status_history (time, robot_id, status)"
        " VALUES (%(time)s, %(robot)s, 'idle')"
    ),
    **{
        f"insert {table}": (
            f"INSERT INTO {table} (robot_id, metric_name, bucket, count, min, max, first, first_at,"
            " last, last_at) VALUES (%(robot)s, 'y', %(time)s, 1, 1, 1, 1, %(time)s, 1, %(time)s)"
        )
        for table in ROLLUPS
    },
    **{
        f"update {table}": f"UPDATE {table} SET max = 9 WHERE robot_id = %(robot)s"
        for table in ROLLUPS
    },
    **{f"delete {table}": f"DELETE FROM {table} WHERE robot_id = %(robot)s" for table in ROLLUPS},
    **{
        f"move {table}": f"UPDATE {table} SET robot_id = %(other)s, metric_name = 'moved'"
        " WHERE robot_id = %(robot)s"
        for table in ROLLUPS
    },
}


@pytest.fixture
def robots(organization_a, organization_b, make_robot, tenant):
    """A robot of each organization, with rollups."""
    found = {}
    for organization in (organization_a, organization_b):
        found[organization.slug] = robot = make_robot(organization)
        with tenant(organization), connection.cursor() as cursor:
            for table in ROLLUPS:
                cursor.execute(
                    f"INSERT INTO {table} (robot_id, metric_name, bucket, count, min, max, first,"
                    " first_at, last, last_at) VALUES (%s, 'x', %s, 1, 1, 1, 1, %s, 1, %s)",
                    [robot.pk, TIME, TIME, TIME],
                )
    return found


def run(statement, robot, other):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"robot": robot.pk, "other": other.pk, "time": TIME})
        return cursor.rowcount


@pytest.mark.parametrize("write", WRITES)
def test_rows_of_other_organization_cannot_be_written(write, robots, organization_b, tenant):
    statement, foreign, own = WRITES[write], robots["acme"], robots["globex"]
    with pytest.raises(DatabaseError, match="another organization"):
        run(statement, foreign, own)
    with tenant(organization_b):
        with pytest.raises(DatabaseError, match="another organization"):
            run(statement, foreign, own)
        if not write.startswith("move"):
            assert run(statement, own, foreign) == 1
        else:
            with pytest.raises(DatabaseError, match="another organization"):
                run(statement, own, foreign)


@pytest.mark.parametrize("value", ["", "acme"])
def test_verification_of_another_organization_does_not_count(
    value, robots, organization_a, organization_b, tenant
):
    statement, foreign, own = WRITES["robot_telemetry"], robots["acme"], robots["globex"]
    verified = value and str(organization_a.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.robots_verified', %s, true)", [verified])
        with pytest.raises(DatabaseError, match="another organization"):
            run(statement, foreign, own)
        with tenant(organization_b), pytest.raises(DatabaseError, match="another organization"):
            run(statement, foreign, own)


def test_telemetry_store_verifies_robots_that_it_was_not_told_of(robots, organization_b, tenant):
    own, foreign = robots["globex"], robots["acme"]
    arguments = "ARRAY[%s]::uuid[], ARRAY['x'], ARRAY[NULL]::text[], ARRAY[1], ARRAY[0], ARRAY[1.0]"
    statement = (
        "SELECT telemetry_store('{}', '{}', '{}', 'telemetry:write', ARRAY[%s]::uuid[], ARRAY[%s],"
        f" {arguments}, '[]')"
    )
    with tenant(organization_b), connection.cursor() as cursor:
        cursor.execute(statement, [own.pk, own.serial_number, own.pk])
        with pytest.raises(DatabaseError, match="another organization"), transaction.atomic():
            cursor.execute(statement, [own.pk, own.serial_number, foreign.pk])


def test_copy_of_foreign_points_raises(robots, organization_b, tenant):
    with tenant(organization_b), connection.cursor() as cursor:
        with (
            pytest.raises(DatabaseError, match="another organization"),
            transaction.atomic(),
            connection.wrap_database_errors,
            cursor.copy("COPY robot_telemetry (time, robot_id, metric_name) FROM STDIN") as copy,
        ):
            copy.write_row((TIME, robots["acme"].pk, "x"))
        insert_points(robots["globex"], "x", [(TIME, 1.0)])


REFERENCES = {
    "user_sessions": (
        "INSERT INTO user_sessions (session_token, organization_id, user_id, expires_at)"
        " VALUES (gen_random_uuid(), %(organization)s, %(user)s, now())"
    ),
    "one_time_links": (
        "INSERT INTO one_time_links (purpose, token_digest, organization_id, user_id, expires_at)"
        " VALUES ('password_reset', gen_random_uuid(), %(organization)s, %(user)s, now())"
    ),
    "second_factors": (
        "INSERT INTO second_factors (seed, organization_id, user_id)"
        " VALUES ('x', %(organization)s, %(user)s)"
    ),
    "api_keys": (
        "INSERT INTO api_keys (name, key_hash, key_prefix, organization_id, user_id)"
        " VALUES ('k', gen_random_uuid(), 'x', %(organization)s, %(user)s)"
    ),
    "invitations": (
        "INSERT INTO invitations (email, expires_at, organization_id, invited_by)"
        " VALUES ('n@x.example', now(), %(organization)s, %(user)s)"
    ),
    "maintenance_tasks.created_by": (
        "INSERT INTO maintenance_tasks (title, type, organization_id, created_by)"
        " VALUES ('t', 'inspection', %(organization)s, %(user)s)"
    ),
    "maintenance_tasks.assigned_to": (
        "INSERT INTO maintenance_tasks (title, type, organization_id, created_by, assigned_to)"
        " VALUES ('t', 'inspection', %(organization)s, %(own)s, %(user)s)"
    ),
    "maintenance_schedules.created_by": (
        "INSERT INTO maintenance_schedules (title, running_hours, vendor, model, organization_id,"
        " created_by) VALUES ('t', 9, 'abb', 'M', %(organization)s, %(user)s)"
    ),
    "maintenance_schedules.assigned_to": (
        "INSERT INTO maintenance_schedules (title, running_hours, vendor, model, organization_id,"
        " created_by, assigned_to)"
        " VALUES ('t', 9, 'abb', 'M', %(organization)s, %(own)s, %(user)s)"
    ),
    "alerts": (
        "INSERT INTO alerts"
        " (type, severity, title, message, organization_id, acknowledged_by, is_resolved)"
        " VALUES ('system', 'info', 't', 'm', %(organization)s, %(user)s, true)"
    ),
    "robot_commands": (
        "INSERT INTO robot_commands (robot_id, organization_id, user_id, type)"
        " VALUES (%(robot)s, %(organization)s, %(user)s, 'start')"
    ),
}
OF_HOME = {"user_sessions", "one_time_links", "second_factors"}


@pytest.mark.parametrize("reference", REFERENCES)
def test_user_of_other_organization_cannot_be_named(
    reference, robots, organization_b, alice, charlie, root, tenant
):
    with tenant(organization_b), connection.cursor() as cursor:
        values = {
            "organization": organization_b.pk,
            "own": system_user_get(organization_id=organization_b.pk).pk,
            "robot": robots["globex"].pk,
        }
        for user in (alice.pk, uuid.uuid4(), *((root.pk,) if reference in OF_HOME else ())):
            with pytest.raises(IntegrityError), transaction.atomic():
                cursor.execute(REFERENCES[reference], {**values, "user": user})
        cursor.execute(REFERENCES[reference], {**values, "user": charlie.pk})
        if reference not in OF_HOME and reference != "invitations":
            cursor.execute(REFERENCES[reference], {**values, "user": root.pk})


def test_reference_cannot_be_changed_to_a_foreign_user(
    organization_b, alice, charlie, make_key, tenant
):
    make_key(organization_b)
    with tenant(organization_b), connection.cursor() as cursor:
        cursor.execute("UPDATE api_keys SET user_id = %s", [charlie.pk])
        assert cursor.rowcount == 1
        with pytest.raises(IntegrityError, match="another organization"), transaction.atomic():
            cursor.execute("UPDATE api_keys SET user_id = %s", [alice.pk])
