"""Upload, start, run and cancel imports of recordings."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.robots.models import Robot
from apps.telemetry.choices import (
    ACTIVE_IMPORT_STATUSES,
    ENDED_IMPORT_STATUSES,
    ImportAction,
    ImportStatus,
    import_allows,
)
from apps.telemetry.exceptions import (
    BusyError,
    ImportStateError,
    InvalidRecordingError,
    TooManyImportsError,
)
from apps.telemetry.models import TelemetryImport, TelemetryImportPart
from apps.telemetry.protocols.recordings.formats import (
    RecordingFormat,
    format_errors,
    from_document,
    to_document,
)
from apps.telemetry.protocols.recordings.points import read_recording
from apps.telemetry.services.import_files import (
    PartReader,
    file_delete,
    file_store,
    import_sample,
)
from apps.telemetry.services.recordings import StoredRows, rows_store, split_batches
from urfmp.common.db.locks import advisory_lock
from urfmp.common.db.names import normalize_file_name
from urfmp.common.tenancy.context import audit_action, tenant_transaction

# Imports that are not started, waiting or running.
MAX_OPEN_IMPORTS_PER_ORGANIZATION = 5
_MAX_STORED_ERRORS = 100
# A worker that stored no batch for this long is dead.
_LEASE = timedelta(seconds=60)
_DRAFT_LIFETIME = timedelta(days=1)
_ENDED_LIFETIME = timedelta(days=90)


def import_upload(
    *,
    organization_id: UUID,
    robot: Robot,
    created_by: Any,
    file_name: str,
    parts: Iterable[bytes],
) -> TelemetryImport:
    """Store an uploaded recording, to be started with `import_start()`.

    Args:
        organization_id: Organization that owns the robot.
        robot: Robot that was recorded.
        created_by: User who uploads the file.
        file_name: Name of the file on the user's computer.
        parts: Bytes of the file, in parts of any size.

    Raises:
        InvalidRecordingError: The file is too large, or not CSV with a header.
        TooManyImportsError: The organization has too many unfinished imports.
    """
    with audit_action("telemetry.import.create"):
        _require_free_place(organization_id)
        row = TelemetryImport.objects.create(
            organization_id=organization_id,
            robot=robot,
            created_by=created_by,
            file_name=normalize_file_name(file_name) or "recording.csv",
            file_bytes=0,
        )
        row.file_bytes = file_store(row, parts)
        row.save(update_fields=["file_bytes"])
    return row


def import_start(
    telemetry_import: TelemetryImport, *, recording_format: RecordingFormat
) -> TelemetryImport:
    """Enqueue an import. Locks its row, so that it is started once.

    Raises:
        ImportStateError: The import was started or cancelled before.
        InvalidRecordingError: The file has no rows.
        ValidationError: The format cannot be used.
    """
    with audit_action("telemetry.import.start"):
        row = _lock(telemetry_import, ImportAction.START)
        sample = import_sample(
            row, timezone=recording_format.timezone, delimiter=recording_format.delimiter
        )
        if errors := format_errors(recording_format, len(sample.header)):
            raise ValidationError(errors)
        row.status = ImportStatus.PENDING
        row.format = to_document(recording_format)
        row.started_at = timezone.now()
        row.save(update_fields=["status", "format", "started_at"])
        _enqueue(row.organization_id, row.pk)
    return row


def import_cancel(telemetry_import: TelemetryImport) -> TelemetryImport:
    """Cancel an import and delete its file; points that are stored stay.

    Locks its row. A worker that runs it stops before its next batch.

    Raises:
        ImportStateError: The import has already ended.
    """
    with audit_action("telemetry.import.cancel"):
        row = _lock(telemetry_import, ImportAction.CANCEL)
        _end(row.pk, ImportStatus.CANCELLED)
    row.refresh_from_db()
    return row


def import_run(*, organization_id: UUID, import_id: UUID, max_seconds: float) -> bool:
    """Import rows of a started import until the time is over.

    Only one worker runs an import at a time, and an organization runs one at a time. Continues
    after the last stored row; after a crash the last batch is read again and counts as duplicate.

    Returns:
        Whether rows are left; call it again then.
    """
    deadline = time.monotonic() + max_seconds
    lease_id = uuid4()
    with tenant_transaction(organization_id):
        row = _acquire_lease(organization_id, import_id, lease_id)
    if row is None:
        return False
    reader = PartReader(organization_id, import_id)
    rows = read_recording(reader, from_document(row.format), row.robot_id)
    try:
        for batch in split_batches(rows, after_row=row.last_row):
            stored = rows_store(organization_id=organization_id, rows=batch)
            if not _save_progress(organization_id, row, lease_id, stored, reader.bytes_read):
                return False
            if time.monotonic() >= deadline:
                _release_lease(organization_id, import_id, lease_id)
                return True
    except BusyError:
        _release_lease(organization_id, import_id, lease_id)
        return True
    except InvalidRecordingError as error:
        _end_run(organization_id, import_id, lease_id, ImportStatus.FAILED, error.message)
        return False
    _end_run(organization_id, import_id, lease_id, ImportStatus.COMPLETED)
    return False


def imports_resume(organization_id: UUID) -> int:
    """Enqueue imports that no worker runs; return their number."""
    with tenant_transaction(organization_id):
        waiting = list(
            TelemetryImport.objects.filter(status__in=ACTIVE_IMPORT_STATUSES)
            .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now()))
            .order_by("created_at")
            .values_list("pk", flat=True)[:1]
        )
        for import_id in waiting:
            _enqueue(organization_id, import_id)
    return len(waiting)


def imports_clean_up(organization_id: UUID) -> int:
    """Delete abandoned uploads after a day and ended imports after 90 days.

    Returns:
        Number of deleted imports.
    """
    now = timezone.now()
    with tenant_transaction(organization_id), audit_action("telemetry.import.clean_up"):
        expired = TelemetryImport.objects.filter(
            Q(status=ImportStatus.DRAFT, created_at__lt=now - _DRAFT_LIFETIME)
            | Q(status__in=ENDED_IMPORT_STATUSES, ended_at__lt=now - _ENDED_LIFETIME)
        )
        TelemetryImportPart.objects.filter(telemetry_import__in=expired).delete()
        count, _ = expired.delete()
    return int(count)


def _require_free_place(organization_id: UUID) -> None:
    """Require a free place; lock the organization's other uploads out."""
    advisory_lock(f"telemetry.import:{organization_id}")
    unfinished = TelemetryImport.objects.exclude(status__in=ENDED_IMPORT_STATUSES)
    if unfinished.count() >= MAX_OPEN_IMPORTS_PER_ORGANIZATION:
        raise TooManyImportsError


def _lock(telemetry_import: TelemetryImport, action: ImportAction) -> TelemetryImport:
    row: TelemetryImport = TelemetryImport.objects.select_for_update().get(pk=telemetry_import.pk)
    if not import_allows(action, row.status):
        raise ImportStateError
    return row


def _enqueue(organization_id: UUID, import_id: UUID) -> None:
    app.configure_task("telemetry.run_import").defer(
        organization_id=str(organization_id), import_id=str(import_id)
    )


def _acquire_lease(
    organization_id: UUID, import_id: UUID, lease_id: UUID
) -> TelemetryImport | None:
    """Lease an import unless its organization runs another."""
    now = timezone.now()
    active = TelemetryImport.objects.select_for_update().filter(
        organization_id=organization_id, status__in=ACTIVE_IMPORT_STATUSES
    )
    rows = {row.pk: row for row in active.order_by("pk")}
    row: TelemetryImport | None = rows.get(import_id)
    if row is None or any(each.leased_until and each.leased_until > now for each in rows.values()):
        return None
    row.status, row.lease_id, row.leased_until = ImportStatus.RUNNING, lease_id, now + _LEASE
    row.save(update_fields=["status", "lease_id", "leased_until"])
    return row


def _save_progress(
    organization_id: UUID,
    row: TelemetryImport,
    lease_id: UUID,
    stored: StoredRows,
    bytes_done: int,
) -> bool:
    """Add a batch to the counts; False if the lease was lost."""
    free = max(_MAX_STORED_ERRORS - len(row.errors), 0)
    row.errors += [asdict(error) for error in stored.errors[:free]]
    row.first_time = min(filter(None, (row.first_time, stored.first_time)), default=None)
    row.last_time = max(filter(None, (row.last_time, stored.last_time)), default=None)
    with tenant_transaction(organization_id):
        updated = TelemetryImport.objects.filter(pk=row.pk, lease_id=lease_id).update(
            bytes_done=bytes_done,
            last_row=stored.last_row,
            accepted=F("accepted") + stored.accepted,
            duplicate=F("duplicate") + stored.duplicate,
            rejected=F("rejected") + len(stored.errors),
            errors=row.errors,
            first_time=row.first_time,
            last_time=row.last_time,
            leased_until=timezone.now() + _LEASE,
        )
    return bool(updated)


def _release_lease(organization_id: UUID, import_id: UUID, lease_id: UUID) -> None:
    with tenant_transaction(organization_id):
        TelemetryImport.objects.filter(pk=import_id, lease_id=lease_id).update(leased_until=None)


def _end_run(
    organization_id: UUID, import_id: UUID, lease_id: UUID, status: ImportStatus, message: str = ""
) -> None:
    with tenant_transaction(organization_id), audit_action("telemetry.import.end"):
        if TelemetryImport.objects.filter(pk=import_id, lease_id=lease_id).exists():
            _end(import_id, status, message)


def _end(import_id: UUID, status: ImportStatus, message: str = "") -> None:
    """Set the final status and delete the file."""
    file_delete(import_id)
    TelemetryImport.objects.filter(pk=import_id).update(
        status=status,
        error_message=message,
        ended_at=timezone.now(),
        lease_id=None,
        leased_until=None,
        **({"bytes_done": F("file_bytes")} if status == ImportStatus.COMPLETED else {}),
    )
