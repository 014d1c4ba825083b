"""Check and run imports of robots in the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.services.quotas import quota_usage
from apps.robots.choices import (
    ACTIVE_ROBOT_IMPORTS,
    ENDED_ROBOT_IMPORTS,
    RobotImportMode,
    RobotImportStatus,
    RowOutcome,
)
from apps.robots.models import RobotImport, RobotImportRow
from apps.robots.services.imports.control import robot_import_enqueue
from apps.robots.services.imports.rows import (
    KnownRobots,
    RowResult,
    import_rights,
    row_apply,
)
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction

_BATCH_ROWS = 100
# A worker that renewed its lease longer ago is dead, or paused. A paused one cannot write when it
# wakes up: every write of an import is bound to its lease, under a lock of the import's row.
_LEASE = timedelta(seconds=15)
_RENEWAL_SECONDS = 3.0
_LIFETIME = timedelta(days=90)


class _LeaseLostError(Exception):
    """Roll back an import whose lease is lost."""


class _BadRowError(Exception):
    """A row of an import in one transaction is bad."""

    def __init__(self, row: RobotImportRow, result: RowResult) -> None:
        super().__init__(f"Line {row.line} is bad.")
        self.row = row
        self.result = result


def robot_import_run(*, organization_id: UUID, import_id: UUID, max_seconds: float) -> bool:
    """Check an import, or run it, until the time is over.

    Only one worker does so at a time. After a crash another one continues with the first row that
    is not done: the state of a row is committed together with its robot. An import in one
    transaction is never interrupted by the time, and begins again after a crash.

    Args:
        organization_id: Organization that owns the robots.
        import_id: Import to check or run.
        max_seconds: Time after which to stop between two batches.

    Returns:
        Whether rows are left; call it again then.
    """
    deadline = time.monotonic() + max_seconds
    lease_id = uuid4()
    with tenant_transaction(organization_id):
        row = _acquire_lease(import_id, lease_id)
    if row is None:
        return False
    if row.status == RobotImportStatus.RUNNING and row.mode == RobotImportMode.ALL_OR_NOTHING:
        _run_in_one_transaction(row)
        return False
    step = _check_batch if row.status == RobotImportStatus.CHECKING else _run_batch
    with _heartbeat(row):
        while step(row):
            if time.monotonic() >= deadline:
                break
        else:
            return False
    with tenant_transaction(organization_id):
        _own(row).update(leased_until=None)
    return True


def robot_imports_resume(organization_id: UUID) -> int:
    """Enqueue imports that no worker checks or runs; return their number."""
    with tenant_transaction(organization_id):
        waiting = list(
            RobotImport.objects.filter(status__in=ACTIVE_ROBOT_IMPORTS)
            .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=Now()))
            .order_by("created_at")
            .values_list("pk", flat=True)
        )
        for import_id in waiting:
            robot_import_enqueue(organization_id, import_id)
    return len(waiting)


def robot_imports_clean_up(organization_id: UUID) -> int:
    """Delete imports 90 days after their end; return their number.

    Those that were never started are deleted 90 days after the upload.
    """
    limit = timezone.now() - _LIFETIME
    with tenant_transaction(organization_id), audit_action("robots.import.clean_up"):
        expired = RobotImport.objects.filter(
            Q(status__in=ENDED_ROBOT_IMPORTS, ended_at__lt=limit)
            | Q(status=RobotImportStatus.CHECKED, created_at__lt=limit)
        )
        RobotImportRow.objects.filter(robot_import__in=expired).delete()
        count, _ = expired.delete()
    return int(count)


def _acquire_lease(import_id: UUID, lease_id: UUID) -> RobotImport | None:
    """Lease an active import that no other worker has leased.

    A locked row belongs to a worker that is about to write.
    """
    row: RobotImport | None = (
        RobotImport.objects.select_for_update(skip_locked=True)
        .filter(pk=import_id, status__in=ACTIVE_ROBOT_IMPORTS)
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=Now()))
        .first()
    )
    if row is not None:
        row.lease_id = lease_id
        RobotImport.objects.filter(pk=row.pk).update(lease_id=lease_id, leased_until=Now() + _LEASE)
    return row


def _own(row: RobotImport) -> Any:
    """Return the import while this worker holds its lease."""
    return RobotImport.objects.filter(
        pk=row.pk, lease_id=row.lease_id, status__in=ACTIVE_ROBOT_IMPORTS
    )


def _author(row: RobotImport) -> Actor:
    return Actor(user_id=row.created_by_id, api_key_id=row.created_by_key_id)


def _open_rows(row: RobotImport) -> Any:
    """Return the rows that the current step has not processed."""
    rows = RobotImportRow.objects.filter(robot_import=row).order_by("line")
    if row.status == RobotImportStatus.CHECKING:
        return rows.filter(outcome=None)
    return rows.filter(is_done=False).exclude(outcome=RowOutcome.BAD)


def _apply_all(row: RobotImport, rows: list[RobotImportRow]) -> list[RowResult]:
    rights = import_rights(row)
    known = KnownRobots(rows)
    return [row_apply(each, known, rights) for each in rows]


def _check_batch(row: RobotImport) -> bool:
    """Try rows and roll them back; return whether rows may be left."""
    with tenant_transaction(row.organization_id, _author(row)):
        rows = list(_open_rows(row)[:_BATCH_ROWS])
        results = _apply_all(row, rows)
        transaction.set_rollback(True)
    with tenant_transaction(row.organization_id, _author(row)):
        # While this worker was paused, another one may have ended the check, and imported rows.
        if not _own(row).select_for_update().exists():
            return False
        return _save_progress(row, rows, results, after=RobotImportStatus.CHECKED)


def _run_batch(row: RobotImport) -> bool:
    """Import rows and commit; return whether rows may be left."""
    with tenant_transaction(row.organization_id, _author(row)):
        # Locked until the commit: another worker or a cancellation cannot come between.
        if not _own(row).select_for_update().exists():
            return False
        rows = list(_open_rows(row)[:_BATCH_ROWS])
        results = _apply_all(row, rows)
        return _save_progress(row, rows, results, after=RobotImportStatus.COMPLETED)


def _save_progress(
    row: RobotImport, rows: list[RobotImportRow], results: list[RowResult], *, after: str
) -> bool:
    """Store the results of a batch; without rows, end the step.

    Returns:
        Whether the step continues: rows may be left, and the lease is not lost.
    """
    for each, result in zip(rows, results, strict=True):
        each.outcome, each.errors = result.outcome, result.errors
        each.is_done = after == RobotImportStatus.COMPLETED and not result.errors
    RobotImportRow.objects.bulk_update(rows, ["outcome", "errors", "is_done"])
    now = timezone.now()
    if rows:
        remaining = _open_rows(row).count()
        changes: dict[str, Any] = {
            "rows_done": row.row_count - remaining,
            "leased_until": Now() + _LEASE,
        }
        return bool(_own(row).update(**changes))
    changes = {"status": after, "rows_done": row.row_count, "lease_id": None, "leased_until": None}
    if after in ENDED_ROBOT_IMPORTS:
        changes["ended_at"] = now
    else:
        changes["error_message"] = _plan_note(row)
    with audit_action("robots.import.end"):
        _own(row).update(**changes)
    return False


def _plan_note(row: RobotImport) -> str:
    """Return a note if the file exceeds the plan.

    The check cannot find it, because it rolls its batches back one by one.
    """
    outcomes = RobotImportRow.objects.filter(robot_import=row, outcome=RowOutcome.CREATE)
    added = outcomes.count()
    usage = next(each for each in quota_usage(row.organization) if each.resource == "robots")
    if usage.limit is None or usage.used + added <= usage.limit:
        return ""
    return (
        f"The plan allows {usage.limit:,} robots, {usage.used:,} are in use, and the file adds"
        f" {added:,}. Rows beyond the limit are not imported."
    )


def _run_in_one_transaction(row: RobotImport) -> None:
    """Import all rows or none."""
    try:
        with (
            _heartbeat(row) as done,
            tenant_transaction(row.organization_id, _author(row)),
        ):
            rows = list(_open_rows(row))
            for start in range(0, len(rows), _BATCH_ROWS):
                batch = rows[start : start + _BATCH_ROWS]
                _apply_good(row, batch)
                done.append(len(batch))
            RobotImportRow.objects.bulk_update(rows, ["outcome", "is_done"], batch_size=1_000)
            _complete(row)
    except _LeaseLostError:
        return
    except _BadRowError as error:
        _fail(row, error)


def _apply_good(row: RobotImport, batch: list[RobotImportRow]) -> None:
    for each, result in zip(batch, _apply_all(row, batch), strict=True):
        if result.errors:
            raise _BadRowError(each, result)
        each.outcome, each.is_done = result.outcome, True


def _complete(row: RobotImport) -> None:
    with audit_action("robots.import.end"):
        ended = _own(row).update(
            status=RobotImportStatus.COMPLETED,
            rows_done=row.row_count,
            ended_at=timezone.now(),
            lease_id=None,
            leased_until=None,
        )
    if not ended:  # cancelled, or taken over after a pause of this process
        raise _LeaseLostError


def _fail(row: RobotImport, error: _BadRowError) -> None:
    with tenant_transaction(row.organization_id, _author(row)), audit_action("robots.import.end"):
        if not _own(row).select_for_update().exists():
            return
        RobotImportRow.objects.filter(pk=error.row.pk).update(
            outcome=RowOutcome.BAD, errors=error.result.errors
        )
        _own(row).update(
            status=RobotImportStatus.FAILED,
            error_message=f"Nothing was imported: line {error.row.line} is bad.",
            rows_done=0,
            ended_at=timezone.now(),
            lease_id=None,
            leased_until=None,
        )


@contextmanager
def _heartbeat(row: RobotImport) -> Iterator[list[int]]:
    """Renew the lease of an import while its rows are processed.

    Yields:
        A list for the numbers of rows that are processed but not committed, which it publishes.
    """
    done: list[int] = []
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(_RENEWAL_SECONDS):
            # Without the database the lease ends, and the next renewal may still be in time.
            with suppress(DatabaseError):
                _renew_lease(row, sum(done))
        connection.close()

    thread = threading.Thread(target=renew, name=f"import {row.pk}", daemon=True)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def _renew_lease(row: RobotImport, rows_done: int) -> None:
    """Renew the lease of an import.

    A batch that holds the row renews it itself.
    """
    changes = {"rows_done": rows_done} if rows_done else {}
    with tenant_transaction(row.organization_id):
        if _own(row).select_for_update(skip_locked=True).exists():
            _own(row).update(leased_until=Now() + _LEASE, **changes)
