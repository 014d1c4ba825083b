from __future__ import annotations

import gzip
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from apps.audit.models import AuditLog
from apps.robots.models import Robot
from apps.telemetry.choices import ImportStatus
from apps.telemetry.exceptions import (
    ImportStateError,
    InvalidRecordingError,
    TooManyImportsError,
)
from apps.telemetry.models import RobotTelemetry, TelemetryImport, TelemetryImportPart
from apps.telemetry.services import imports, recordings
from apps.telemetry.services.import_files import import_sample
from apps.telemetry.services.imports import (
    MAX_OPEN_IMPORTS_PER_ORGANIZATION,
    import_cancel,
    import_run,
    import_start,
    import_upload,
    imports_clean_up,
    imports_resume,
)

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)


def recording(rows=1000, start=START, step=0.5):
    lines = ["timestamp,actual_q_0,actual_q_1"]
    lines += [f"{start.timestamp() + step * n:.3f},{n / 7!r},{-n}" for n in range(rows)]
    return "\n".join(lines).encode()


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name="Welder")


@pytest.fixture
def upload(organization_a, robot, alice, tenant):
    def make(content=None, *, start=True, **changes):
        content = content if content is not None else recording()
        with tenant(organization_a):
            row = import_upload(
                organization_id=organization_a.id,
                robot=robot,
                created_by=alice,
                file_name="C:\\data\\run\u202e 1.csv",
                parts=[content[at : at + 70_000] for at in range(0, len(content), 70_000)],
            )
            if start:
                proposed = import_sample(row, timezone="UTC").proposed
                row = import_start(row, recording_format=proposed)
        return row

    return make


@pytest.fixture
def run(organization_a, tenant):
    def run_import(row, max_seconds=60.0):
        has_rows = import_run(
            organization_id=organization_a.id, import_id=row.pk, max_seconds=max_seconds
        )
        with tenant(organization_a):
            row.refresh_from_db()
        return has_rows

    return run_import


def stored(robot, organization, tenant):
    with tenant(organization):
        rows = RobotTelemetry.objects.filter(robot_id=robot.pk).order_by("metric_name", "time")
        return list(rows.values_list("metric_name", "time", "value", "unit"))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_import_stores_every_value_once(upload, run, robot, organization_a, tenant, is_compressed):
    content = recording(1000)
    row = upload(gzip.compress(content) if is_compressed else content)
    assert not run(row)
    assert (row.status, row.accepted, row.duplicate, row.rejected) == ("completed", 2000, 0, 0)
    assert (row.first_time, row.percent) == (START, 100)
    points = stored(robot, organization_a, tenant)
    assert len(points) == 2000
    assert points[7] == ("joint.1.angle", START + timedelta(seconds=3.5), 1.0, "rad")
    with tenant(organization_a):
        assert not TelemetryImportPart.objects.exists()

    again = upload(content)
    run(again)
    assert (again.accepted, again.duplicate) == (0, 2000)


def test_import_keeps_last_seen(upload, run, robot, organization_a, tenant):
    run(upload())
    with tenant(organization_a):
        assert Robot.objects.get(pk=robot.pk).last_seen is None


def test_rejected_cells_are_listed_with_rows(upload, run):
    future = (timezone.now() + timedelta(days=1)).timestamp()
    ancient = (timezone.now() - timedelta(days=900)).timestamp()
    content = recording(3) + f"\n{future},1,2\n{ancient},1,x\n{START.timestamp()},5,0\n".encode()
    row = upload(content)
    run(row)
    assert (row.status, row.accepted, row.duplicate, row.rejected) == ("completed", 6, 1, 5)
    assert [(e["row"], e["column"], e["code"]) for e in row.errors] == [
        (5, "actual_q_0", "clock_skew"),
        (5, "actual_q_1", "clock_skew"),
        (6, "actual_q_1", "value"),
        (6, "actual_q_0", "too_old"),
        (7, "actual_q_0", "conflict"),
    ]


def test_run_continues_in_slices(upload, run, robot, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(recordings, "MAX_BATCH_POINTS", 300)
    row = upload(recording(1000))
    runs = 1
    while run(row, max_seconds=0):
        assert row.status == ImportStatus.RUNNING
        runs += 1
    assert runs >= 6
    assert (row.status, row.accepted, row.duplicate) == ("completed", 2000, 0)
    assert len(stored(robot, organization_a, tenant)) == 2000


def test_interrupted_run_loses_and_doubles_nothing(
    upload, run, robot, organization_a, tenant, monkeypatch
):
    """The worker dies after a batch was stored and before its progress was."""
    monkeypatch.setattr(recordings, "MAX_BATCH_POINTS", 300)
    row = upload(recording(1000))
    calls = []

    def die(*args):
        calls.append(args)
        if len(calls) == 3:
            raise SystemExit
        return save(*args)

    save = imports._save_progress
    monkeypatch.setattr(imports, "_save_progress", die)
    with pytest.raises(SystemExit):
        run(row)
    monkeypatch.setattr(imports, "_save_progress", save)
    assert not run(row)  # the lease of the dead worker
    assert row.accepted < 2000
    with tenant(organization_a):
        expired = timezone.now() - timedelta(seconds=1)
        TelemetryImport.objects.update(leased_until=expired)
    assert imports_resume(organization_a.id) == 1
    assert not run(row)
    assert row.status == ImportStatus.COMPLETED
    assert row.accepted + row.duplicate == 2000
    assert row.duplicate == 300
    assert len(stored(robot, organization_a, tenant)) == 2000


def test_two_workers_run_one_import_once(upload, organization_a, tenant, robot):
    row = upload(recording(3000))
    barrier = threading.Barrier(4)

    def work():
        barrier.wait()
        import_run(organization_id=organization_a.id, import_id=row.pk, max_seconds=60)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tenant(organization_a):
        row.refresh_from_db()
    assert (row.status, row.accepted, row.duplicate) == ("completed", 6000, 0)


def test_cancelled_import_stops_and_keeps_points(
    upload, run, organization_a, tenant, monkeypatch, robot
):
    monkeypatch.setattr(recordings, "MAX_BATCH_POINTS", 300)
    row = upload(recording(1000))
    assert run(row, max_seconds=0)
    with tenant(organization_a):
        import_cancel(row)
        assert not TelemetryImportPart.objects.exists()
        with pytest.raises(ImportStateError):
            import_cancel(row)
    assert not run(row)
    assert row.status == ImportStatus.CANCELLED
    assert len(stored(robot, organization_a, tenant)) == row.accepted == 300


def test_cancel_during_batch_wins(upload, run, organization_a, tenant, monkeypatch):
    row = upload(recording(1000))

    def store_and_cancel(**kwargs):
        stored_rows = recordings.rows_store(**kwargs)
        with tenant(organization_a):
            import_cancel(row)
        return stored_rows

    monkeypatch.setattr(imports, "rows_store", store_and_cancel)
    assert not run(row)
    assert row.status == ImportStatus.CANCELLED


def test_damaged_file_fails_with_reason(upload, run):
    content = gzip.compress(recording(200_000), compresslevel=1)
    row = upload(content[:-1000])
    run(row)
    assert row.status == ImportStatus.FAILED
    assert row.error_message == "The compressed file is incomplete. Copy it again."
    assert row.accepted > 0


def test_started_import_cannot_start_again(upload, organization_a, tenant):
    row = upload()
    with tenant(organization_a), pytest.raises(ImportStateError):
        import_start(row, recording_format=None)


def test_invalid_format_is_rejected(upload, organization_a, tenant):
    row = upload(start=False)
    with tenant(organization_a):
        proposed = import_sample(row, timezone="UTC").proposed
        empty = type(proposed)(",", ".", 0, proposed.time_format, "UTC", ())
        with pytest.raises(ValidationError, match="at least one column"):
            import_start(row, recording_format=empty)


@pytest.mark.parametrize("content", [b"", b"no header", b"\x00" * 100])
def test_other_file_is_rejected(upload, content, organization_a, tenant):
    with pytest.raises(InvalidRecordingError):
        upload(content)
    with tenant(organization_a):
        assert not TelemetryImport.objects.exists()
        assert not TelemetryImportPart.objects.exists()


def test_large_file_is_rejected(upload, settings):
    settings.MAX_UPLOAD_BYTES = 10_000
    with pytest.raises(InvalidRecordingError, match="Compress it with gzip"):
        upload(recording(1000))


def test_open_imports_are_limited(upload):
    for _ in range(MAX_OPEN_IMPORTS_PER_ORGANIZATION):
        upload(recording(2), start=False)
    with pytest.raises(TooManyImportsError):
        upload(recording(2), start=False)


def test_organization_runs_one_import_at_a_time(upload, run, organization_a, tenant):
    first, second = upload(), upload()
    with tenant(organization_a):
        TelemetryImport.objects.filter(pk=first.pk).update(
            status="running", lease_id=uuid4(), leased_until=timezone.now() + timedelta(seconds=9)
        )
    assert not run(second)
    assert second.status == ImportStatus.PENDING


def test_clean_up_deletes_abandoned_and_old_imports(upload, run, organization_a, tenant):
    ended, draft, recent = upload(), upload(start=False), upload(start=False)
    run(ended)
    with tenant(organization_a):
        long_ago = timezone.now() - timedelta(days=91)
        TelemetryImport.objects.filter(pk=ended.pk).update(ended_at=long_ago)
        TelemetryImport.objects.filter(pk=draft.pk).update(created_at=long_ago)
    assert imports_clean_up(organization_a.id) == 2
    with tenant(organization_a):
        assert list(TelemetryImport.objects.values_list("pk", flat=True)) == [recent.pk]
        assert set(TelemetryImportPart.objects.values_list("telemetry_import", flat=True)) == {
            recent.pk
        }


def test_import_writes_audit_rows(upload, run, organization_a, tenant):
    row = upload()
    run(row)
    with tenant(organization_a):
        actions = AuditLog.objects.filter(resource_id=row.pk).order_by("seq")
        assert list(actions.values_list("action", flat=True)) == [
            "telemetry.import.create",
            "telemetry.import.create",
            "telemetry.import.start",
            "telemetry.import.update",
            "telemetry.import.end",
        ]


def test_file_name_is_cleaned(upload):
    assert upload(start=False).file_name == "C:\\data\\run 1.csv"
