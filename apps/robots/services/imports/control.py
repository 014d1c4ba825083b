"""Upload, start and cancel imports of robots."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from apps.robots.choices import (
    ENDED_ROBOT_IMPORTS,
    ROBOT_IMPORT_TRANSITIONS,
    RobotImportAction,
    RobotImportMode,
    RobotImportStatus,
    RowOutcome,
)
from apps.robots.exceptions import RobotImportStateError, TooManyRobotImportsError
from apps.robots.models import RobotImport, RobotImportRow
from apps.robots.protocols.fleet_files.readers import FileRow
from urfmp.common.db.locks import advisory_lock
from urfmp.common.db.names import normalize_file_name
from urfmp.common.tenancy.context import audit_action

# Imports that are not ended.
MAX_OPEN_PER_ORGANIZATION = 5
_INSERT_BATCH_ROWS = 1_000


def robot_import_create(
    *,
    organization_id: UUID,
    rows: list[FileRow],
    file_name: str = "",
    created_by: Any = None,
    created_by_key: UUID | None = None,
) -> RobotImport:
    """Store the rows of a file, and enqueue their check.

    Locks the organization's other uploads out while it counts its imports.

    Args:
        organization_id: Organization that owns the robots.
        rows: Rows of the file; those with errors are bad from the start.
        file_name: Name of the file on the user's computer.
        created_by: User who uploads it, or None.
        created_by_key: API key that uploads it, or None.

    Raises:
        TooManyRobotImportsError: The organization has too many unfinished imports.
    """
    with audit_action("robots.import.create"):
        _require_free_place(organization_id)
        found = RobotImport.objects.create(
            organization_id=organization_id,
            created_by=created_by,
            created_by_key_id=created_by_key,
            file_name=normalize_file_name(file_name) or "robots",
            row_count=len(rows),
        )
        RobotImportRow.objects.bulk_create(
            (
                RobotImportRow(
                    organization_id=organization_id,
                    robot_import=found,
                    line=row.line,
                    values=row.values,
                    errors=row.errors,
                    outcome=RowOutcome.BAD if row.errors else None,
                )
                for row in rows
            ),
            batch_size=_INSERT_BATCH_ROWS,
        )
        robot_import_enqueue(found.organization_id, found.pk)
    return found


def robot_import_start(robot_import: RobotImport, *, mode: str) -> RobotImport:
    """Enqueue a checked import.

    Locks its row, so that it is started once.

    Args:
        robot_import: Import to start.
        mode: One of `RobotImportMode`.

    Raises:
        RobotImportStateError: The import is not checked yet, or was started or cancelled before.
        ValidationError: The mode is unknown; or it is all or nothing, and a row is bad.
    """
    if mode not in RobotImportMode.values:
        raise ValidationError({"mode": f"Choose one of {', '.join(RobotImportMode.values)}."})
    with audit_action("robots.import.start"):
        row = _lock(robot_import, RobotImportAction.START)
        bad_rows = RobotImportRow.objects.filter(robot_import=row, outcome=RowOutcome.BAD)
        if mode == RobotImportMode.ALL_OR_NOTHING and (count := bad_rows.count()):
            msg = f"{count:,} rows are bad. Correct the file, or import the good rows."
            raise ValidationError({"mode": msg})
        row.mode, row.status, row.rows_done = mode, RobotImportStatus.RUNNING, 0
        row.error_message, row.started_at = "", timezone.now()
        row.save(update_fields=["mode", "status", "rows_done", "error_message", "started_at"])
        robot_import_enqueue(row.organization_id, row.pk)
    return row


def robot_import_cancel(robot_import: RobotImport) -> RobotImport:
    """Cancel an import; robots that are imported stay.

    Locks its row. A worker that runs it stops before its next batch.

    Raises:
        RobotImportStateError: The import has already ended.
    """
    with audit_action("robots.import.cancel"):
        row = _lock(robot_import, RobotImportAction.CANCEL)
        row.status, row.ended_at = RobotImportStatus.CANCELLED, timezone.now()
        row.lease_id = row.leased_until = None
        row.save(update_fields=["status", "ended_at", "lease_id", "leased_until"])
    return row


def robot_import_enqueue(organization_id: UUID, import_id: UUID, *, delay_seconds: int = 0) -> None:
    """Enqueue a job that checks or runs an import.

    At most one waits for each import.
    """
    task = app.configure_task(
        "robots.run_import",
        queueing_lock=f"robots.run_import:{import_id}",
        schedule_in={"seconds": delay_seconds},
    )
    # A savepoint, because the error of a second job would abort the transaction.
    with suppress(AlreadyEnqueued), transaction.atomic():
        task.defer(organization_id=str(organization_id), import_id=str(import_id))


def _require_free_place(organization_id: UUID) -> None:
    advisory_lock(f"robots.import:{organization_id}")
    unfinished = RobotImport.objects.exclude(status__in=ENDED_ROBOT_IMPORTS)
    if unfinished.count() >= MAX_OPEN_PER_ORGANIZATION:
        raise TooManyRobotImportsError


def _lock(robot_import: RobotImport, action: RobotImportAction) -> RobotImport:
    row: RobotImport = RobotImport.objects.select_for_update().get(pk=robot_import.pk)
    if row.status not in ROBOT_IMPORT_TRANSITIONS[action]:
        raise RobotImportStateError
    return row
