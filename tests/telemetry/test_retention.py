from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from apps.telemetry.models import RobotTelemetry
from apps.telemetry.selectors.retention import retention_due, timescaledb_edition
from apps.telemetry.services.retention import retention_apply
from apps.telemetry.tasks import apply_retention


@pytest.fixture
def old_points(organization_a, make_robot, tenant):
    """A robot with points and status history of 1, 360 and 400 days ago."""
    robot, now = make_robot(organization_a), timezone.now()
    with tenant(organization_a), connection.cursor() as cursor:
        for days in (1, 360, 400):
            cursor.execute(
                "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
                " VALUES (%s, %s, 'a', %s)",
                [now - timedelta(days=days), robot.pk, days],
            )
        for days in (400, 900):
            cursor.execute(
                "INSERT INTO robot_status_history (time, robot_id, status) VALUES (%s, %s, 'idle')",
                [now - timedelta(days=days), robot.pk],
            )
    return robot


def ages(robot, organization, tenant):
    with tenant(organization):
        return sorted(RobotTelemetry.objects.filter(robot=robot).values_list("value", flat=True))


def test_edition_is_read_from_server(db):
    assert timescaledb_edition() in {"apache", "timescale"}


def test_dry_run_lists_due_chunks_and_drops_none(old_points, organization_a, tenant):
    due = retention_due()
    assert {chunk.hypertable for chunk in due} == {"robot_telemetry", "robot_status_history"}
    limits = {"robot_telemetry": 365, "robot_status_history": 730}
    for chunk in due:
        assert chunk.until < timezone.now() - timedelta(days=limits[chunk.hypertable] - 2)
    out = StringIO()
    call_command("apply_retention", "--dry-run", stdout=out)
    for chunk in due:
        assert f"due: {chunk.hypertable} {chunk.chunk}" in out.getvalue()
    assert "dropped\n" not in out.getvalue().replace("chunks are dropped", "")
    assert ages(old_points, organization_a, tenant) == [1, 360, 400]


def test_retention_drops_old_chunks(old_points, organization_a, tenant):
    if timescaledb_edition() == "timescale":
        pytest.skip("A native policy drops by itself, later.")
    dropped = {result.hypertable: result.dropped for result in retention_apply() if result.dropped}
    assert dropped == {"robot_telemetry": 1, "robot_status_history": 1}
    assert ages(old_points, organization_a, tenant) == [1, 360]
    assert retention_due() == []
    assert {(r.method, r.dropped) for r in retention_apply()} == {("drop_chunks", 0)}


def test_command_and_job_drop_old_chunks(old_points, organization_a, tenant, caplog):
    out = StringIO()
    call_command("apply_retention", stdout=out)
    assert f"edition: {timescaledb_edition()}" in out.getvalue()
    assert "robot_telemetry:" in out.getvalue()
    apply_retention(0)
    assert ages(old_points, organization_a, tenant)[0] == 1


@pytest.mark.parametrize(
    ("edition", "words"), [("timescale", "a native policy"), ("apache", "an hourly job")]
)
def test_command_shows_method(edition, words, db, monkeypatch):
    monkeypatch.setattr(
        "apps.telemetry.management.commands.apply_retention.timescaledb_edition", lambda: edition
    )
    out = StringIO()
    call_command("apply_retention", "--dry-run", stdout=out)
    assert f"TimescaleDB edition: {edition}; chunks are dropped by {words}" in out.getvalue()


def test_retention_community_edition_adds_policy(owner_cursor):
    """On the Apache edition, the attempt shows as the error that the edition raises."""
    owner_cursor.execute("SELECT timescaledb_edition()")
    is_apache = owner_cursor.fetchone() == ("apache",)
    owner_cursor.execute(
        "CREATE OR REPLACE FUNCTION timescaledb_edition() RETURNS text LANGUAGE sql STABLE"
        " AS $$ SELECT 'timescale'::text $$"
    )
    if is_apache:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="add_retention_policy"):
            owner_cursor.execute("SELECT * FROM retention_apply()")
        return
    owner_cursor.execute("SELECT hypertable, method FROM retention_apply()")
    assert set(owner_cursor.fetchall()) == {
        ("robot_telemetry", "policy"),
        ("robot_status_history", "policy"),
        ("telemetry_days", "policy"),
        ("telemetry_hours", "policy"),
        ("telemetry_minutes", "policy"),
    }


def test_retention_apache_edition_drops_chunks(owner_cursor):
    owner_cursor.execute(
        "CREATE OR REPLACE FUNCTION timescaledb_edition() RETURNS text LANGUAGE sql STABLE"
        " AS $$ SELECT 'apache'::text $$"
    )
    owner_cursor.execute("SELECT FROM retention_apply()")  # empty chunks of earlier tests
    organization, robot = uuid.uuid4(), uuid.uuid4()
    owner_cursor.execute(
        "INSERT INTO organizations (id, name, slug) VALUES (%s, 'x', %s)",
        [organization, organization.hex],
    )
    owner_cursor.execute(
        "INSERT INTO robots (id, organization_id, name, vendor, configuration)"
        " VALUES (%s, %s, 'x', 'abb', '{}')",
        [robot, organization],
    )
    owner_cursor.execute(
        "INSERT INTO robot_telemetry (time, robot_id, metric_name, value)"
        " VALUES (now() - interval '400 days', %s, 'a', 1)",
        [robot],
    )
    owner_cursor.execute("SELECT method, dropped FROM retention_apply() ORDER BY dropped")
    assert owner_cursor.fetchall() == [*[("drop_chunks", 0)] * 4, ("drop_chunks", 1)]
    owner_cursor.execute("SELECT count(*) FROM robot_telemetry WHERE robot_id = %s", [robot])
    assert owner_cursor.fetchone() == (0,)


def test_retention_runtime_role_cannot_drop_chunks(app_cursor):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_cursor.execute("SELECT drop_chunks('robot_telemetry', older_than => now())")
