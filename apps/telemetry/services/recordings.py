"""Store the rows of a recording, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.telemetry.protocols.points import DecodedBatch
from apps.telemetry.protocols.recordings.points import CellError, RecordingRow
from apps.telemetry.services.telemetry import telemetry_ingest

MAX_BATCH_POINTS = 5_000
_MAX_BATCH_ROWS = 5_000


@dataclass
class StoredRows:
    """The result of a batch.

    Attributes:
        last_row: Number of the last row.
        accepted: New points.
        duplicate: Points that were already stored with the same value.
        errors: Cells that were not stored, with the reason.
        first_time: Time of the earliest point, or None.
        last_time: Time of the latest point, or None.
    """

    last_row: int
    accepted: int = 0
    duplicate: int = 0
    errors: list[CellError] = field(default_factory=list)
    first_time: datetime | None = None
    last_time: datetime | None = None


def split_batches(
    rows: Iterable[RecordingRow], *, after_row: int = 0
) -> Iterator[list[RecordingRow]]:
    """Yield rows in batches of about `MAX_BATCH_POINTS` points.

    Args:
        rows: Rows of a recording.
        after_row: Number of the last row that is already stored; rows up to it are skipped.
    """
    batch: list[RecordingRow] = []
    points = 0
    for row in rows:
        if row.number <= after_row:
            continue
        batch.append(row)
        points += len(row.points)
        if points >= MAX_BATCH_POINTS or len(batch) >= _MAX_BATCH_ROWS:
            yield batch
            batch, points = [], 0
    if batch:
        yield batch


def rows_store(*, organization_id: UUID, rows: list[RecordingRow]) -> StoredRows:
    """Store a batch as telemetry; it is committed when this returns.

    Each point passes the checks of ingest. The robot's last seen does not change.

    Args:
        organization_id: Organization that owns the robot.
        rows: At least one row.

    Raises:
        BusyError: The server is overloaded; store the same batch again later.
    """
    stored = StoredRows(rows[-1].number)
    stored.errors = [error for row in rows for error in row.errors]
    cells = [
        (row.number, column, point)
        for row in rows
        for column, point in zip(row.columns, row.points, strict=True)
    ]
    if not cells:
        return stored
    result = telemetry_ingest(
        organization_id=organization_id,
        decode=lambda: DecodedBatch([(index, cell[2]) for index, cell in enumerate(cells)]),
        is_live=False,
    )
    stored.accepted, stored.duplicate = result.accepted, result.duplicate
    for rejection in result.rejected:
        number, column, _ = cells[rejection.index]
        stored.errors.append(CellError(number, column, rejection.code, rejection.detail))
    stored.errors.sort(key=lambda error: error.row)
    times = [point.time for _, _, point in cells]
    stored.first_time, stored.last_time = min(times), max(times)
    return stored
