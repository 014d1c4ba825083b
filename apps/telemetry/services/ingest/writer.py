"""Write groups of batches to `robot_telemetry`; on errors, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from psycopg.errors import DeadlockDetected

from apps.telemetry.exceptions import StaleReferenceError
from apps.telemetry.services.ingest.encoded_batch import (
    EncodedBatch,
    EncodedKey,
    EncodedPoint,
    SeriesKey,
    bounding_keys,
)
from apps.telemetry.services.ingest.encoding import COLUMNS
from apps.telemetry.services.ingest.small_batch import (
    MAX_SMALL_BATCH_POINTS,
    STATEMENT_TIMEOUT,
    insert_points,
)
from apps.telemetry.services.pending_work import pending_work_enqueue
from urfmp.common.tenancy.context import tenant_transaction

_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_STAGING_FIELD_COUNT = b"\x00\x07\x00\x00\x00\x04"
_COPY = f"COPY robot_telemetry ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TO_STAGING = f"COPY telemetry_staging (ordinal, {COLUMNS}) FROM STDIN (FORMAT BINARY)"
_CREATE_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS telemetry_staging (
        ordinal integer, robot_id uuid, metric_name varchar(100), time timestamptz,
        value double precision, unit varchar(20), metadata jsonb
    ) ON COMMIT DELETE ROWS;
    -- For callers that write twice within one transaction.
    DELETE FROM telemetry_staging
"""
_INSERT_STAGED = f"""
    WITH fresh AS (
        INSERT INTO robot_telemetry ({COLUMNS})
        SELECT {COLUMNS} FROM telemetry_staging ORDER BY ordinal
        ON CONFLICT DO NOTHING RETURNING robot_id, metric_name, time
    )
    SELECT s.ordinal FROM telemetry_staging s JOIN fresh USING (robot_id, metric_name, time)
"""  # noqa: S608 - constant columns
# A separate statement, so that it sees rows that were committed while the insert waited. The time
# range excludes chunks that cannot contain any.
_CONFLICTING_VALUES = """
    SELECT s.ordinal, t.value FROM telemetry_staging s
    JOIN robot_telemetry t USING (robot_id, metric_name, time)
    WHERE t.value IS DISTINCT FROM s.value AND t.time BETWEEN
        timestamptz '2000-01-01 00:00:00+00' + %s * interval '1 microsecond'
        AND timestamptz '2000-01-01 00:00:00+00' + %s * interval '1 microsecond'
"""
_FIND_STALE_REFERENCES = """
    SELECT set_config('statement_timeout', %s, true),
           ARRAY(SELECT telemetry_refused(
               %s::uuid[], %s::uuid[], %s::text[], %s, %s::uuid[], %s::text[])),
           set_config('app.robots_verified', current_setting('app.organization_id'), true)
"""
_SCOPE = "telemetry:write"
# By robot, metric and time.
_SORT_KEY = attrgetter("key_prefix", "time")
_MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class SendingApiKey:
    """The API key that sends points, as it was cached."""

    id: UUID
    robot_id: UUID | None
    allowed_networks: tuple[str, ...] = ()


@dataclass(eq=False)
class PendingWrite:
    """An encoded batch that waits to be written, and the result.

    Attributes:
        batch: The points to store.
        key: The API key that sends them; None for a user, which is never cached.
        is_live: Whether the robots send the points now.
        stored: The points that are new.
        conflicting_values: Stored values that differ from those of the batch, by point key.
        error: Why nothing was stored; None after success. It starts as an error, so that an
            interrupted write never counts as stored.
    """

    batch: EncodedBatch
    key: SendingApiKey | None
    is_live: bool = True
    stored: list[EncodedPoint] = field(default_factory=list)
    conflicting_values: dict[EncodedKey, float | None] = field(default_factory=dict)
    error: Exception | None = field(default_factory=lambda: OperationalError("not stored"))

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.batch.points)


def write_group(organization_id: UUID, writes: list[PendingWrite]) -> None:
    """Commit the writes of one organization and set the result of each.

    All of them share one transaction. If that fails, each gets its own, so that an error in one
    does not affect the others. Points reported as stored are committed when this returns.
    """
    try:
        _write_directly(organization_id, writes)
    except Exception as error:  # noqa: BLE001 - each write passes its own error to its thread
        for write in writes:
            write.error = error
        if is_database_unavailable(error):
            return
        for index, write in enumerate(writes):
            own_error = write.error = _retry_alone(organization_id, write, error)
            if own_error is not None and is_database_unavailable(own_error):
                for unwritten in writes[index + 1 :]:
                    unwritten.error = own_error
                return


def is_database_unavailable(error: Exception) -> bool:
    """Return whether the database is down or overloaded."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not isinstance(error.__cause__, DeadlockDetected)


def _retry_alone(
    organization_id: UUID, write: PendingWrite, shared_error: Exception
) -> Exception | None:
    """Write one batch in its own transaction; return its final error."""
    error = shared_error
    for _ in range(_MAX_ATTEMPTS):
        if isinstance(error, IntegrityError):
            _clear_tracebacks(error)
        try:
            if isinstance(error, IntegrityError) and write.size:
                _write_skipping_stored(organization_id, write)
            else:
                _write_directly(organization_id, [write])
        except StaleReferenceError as stale:
            return stale
        except (DatabaseError, InterfaceError) as retry_error:
            error = retry_error
            if is_database_unavailable(error):
                return error
        except Exception as unexpected:  # noqa: BLE001 - it concerns this write alone
            return unexpected
        else:
            return None
    return error


def _clear_tracebacks(error: BaseException | None) -> None:
    """Clear the tracebacks of an expected error and its causes.

    Their frames refer to the error, so the points of the request would stay in memory until the
    next garbage collection.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _write_directly(organization_id: UUID, writes: list[PendingWrite]) -> None:
    """Write directly to the table, in one transaction.

    Raises:
        IntegrityError: A point is stored already, or occurs twice.
        StaleReferenceError: A cached API key or robot has changed.
    """
    series: dict[bytes, SeriesKey] = {}
    for write in writes:
        series.update(write.batch.series)
    if len(writes) == 1:
        points = writes[0].batch.points
    else:
        points = [point for write in writes for point in write.batch.points]
        points.sort(key=_SORT_KEY)
    if len(points) <= MAX_SMALL_BATCH_POINTS and not any(
        write.batch.has_metadata for write in writes
    ):
        if stale := insert_points(organization_id, _cached_references(writes), points, series):
            raise StaleReferenceError(stale)
    else:
        with tenant_transaction(organization_id):
            _verify_references(writes)
            _copy(_COPY, b"".join((_COPY_HEADER, *[point.data for point in points], _COPY_TRAILER)))
            pending_work_enqueue(organization_id, list(bounding_keys(points, series)))
    for write in writes:
        write.stored, write.error = write.batch.points, None


def _write_skipping_stored(organization_id: UUID, write: PendingWrite) -> None:
    """Write the points that are not stored yet, through a staging table."""
    batch = write.batch
    points = batch.points
    staged = [_COPY_HEADER]
    for ordinal, point in enumerate(points):
        staged += (_STAGING_FIELD_COUNT, ordinal.to_bytes(4, "big"), point.data[2:])
    staged.append(_COPY_TRAILER)
    first_time, last_time = min(point.time for point in points), max(point.time for point in points)
    with tenant_transaction(organization_id):
        _verify_references([write])
        with connection.cursor() as cursor:
            cursor.execute(_CREATE_STAGING)
            _copy(_COPY_TO_STAGING, b"".join(staged))
            cursor.execute(_INSERT_STAGED)
            stored = [points[ordinal] for (ordinal,) in sorted(cursor.fetchall())]
            conflicting_values = {}
            if len(stored) < len(points):
                cursor.execute(_CONFLICTING_VALUES, [first_time, last_time])
                conflicting_values = {
                    points[ordinal].key: value for ordinal, value in cursor.fetchall()
                }
        pending_work_enqueue(organization_id, list(bounding_keys(stored, batch.series)))
    write.stored, write.conflicting_values, write.error = stored, conflicting_values, None


def _copy(statement: str, data: bytes) -> None:
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.write(data)


def _verify_references(writes: list[PendingWrite]) -> None:
    """Verify every cached API key and robot, and set the statement timeout.

    One read by primary keys. The trigger on the hypertable then need not verify each row's robot.

    Raises:
        StaleReferenceError: A cached API key or robot has changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND_STALE_REFERENCES, [STATEMENT_TIMEOUT, *_cached_references(writes)])
        stale = cast("tuple[str, list[UUID], str]", cursor.fetchone())[1]
    if stale:
        raise StaleReferenceError(stale)


def _cached_references(writes: list[PendingWrite]) -> list[Any]:
    """Return the cached API keys and robots as arguments of `telemetry_refused()`."""
    keys = {write.key for write in writes if write.key is not None}
    robots = {}
    for write in writes:
        robots.update(write.batch.robots)
    return [
        [key.id for key in keys],
        [key.robot_id for key in keys],
        [",".join(key.allowed_networks) for key in keys],
        _SCOPE,
        list(robots),
        [robot.serial_number for robot in robots.values()],
    ]
