"""Rows into `robot_telemetry`: together where nothing stands in the way, else one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from psycopg.errors import DeadlockDetected

from apps.telemetry.exceptions import RefusedError
from apps.telemetry.services.ingest.encoding import COLUMNS, Row, RowKey, Series, Sheet, outer_keys
from apps.telemetry.services.ingest.small_batch import MOST_ROWS, STATEMENT_TIMEOUT, store_rows
from apps.telemetry.services.pending_work import batches_add
from urfmp.common.tenancy.context import tenant_transaction

_HEAD, _END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
_STAGING_FIELDS = b"\x00\x07\x00\x00\x00\x04"
_COPY = f"COPY robot_telemetry ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TO_STAGING = f"COPY telemetry_staging (ordinal, {COLUMNS}) FROM STDIN (FORMAT BINARY)"
_STAGING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS telemetry_staging (
        ordinal integer, robot_id uuid, metric_name varchar(100), time timestamptz,
        value double precision, unit varchar(20), metadata jsonb
    ) ON COMMIT DELETE ROWS;
    -- For who stores twice within one transaction.
    DELETE FROM telemetry_staging
"""
_INSERT = f"""
    WITH fresh AS (
        INSERT INTO robot_telemetry ({COLUMNS})
        SELECT {COLUMNS} FROM telemetry_staging ORDER BY ordinal
        ON CONFLICT DO NOTHING RETURNING robot_id, metric_name, time
    )
    SELECT s.ordinal FROM telemetry_staging s JOIN fresh USING (robot_id, metric_name, time)
"""  # noqa: S608 - constant columns
# A statement of its own, so that it sees what was committed while the insert waited. The range
# leaves out the chunks that cannot hold any.
_OTHERS = """
    SELECT s.ordinal, t.value FROM telemetry_staging s
    JOIN robot_telemetry t USING (robot_id, metric_name, time)
    WHERE t.value IS DISTINCT FROM s.value AND t.time BETWEEN
        timestamptz '2000-01-01 00:00:00+00' + %s * interval '1 microsecond'
        AND timestamptz '2000-01-01 00:00:00+00' + %s * interval '1 microsecond'
"""
_CONFIRM = """
    SELECT set_config('statement_timeout', %s, true),
           ARRAY(SELECT telemetry_refused(
               %s::uuid[], %s::uuid[], %s::text[], %s, %s::uuid[], %s::text[]))
"""
_SCOPE = "telemetry:write"
# By robot, metric and time.
_ORDER = attrgetter("start", "time")
_TRIES = 3


@dataclass(frozen=True)
class SendingKey:
    """The key that sends, as it was read: it is confirmed in the transaction that stores."""

    id: UUID
    robot_id: UUID | None
    allowed_networks: tuple[str, ...] = ()


@dataclass(eq=False)
class SheetParcel:
    """A sheet that waits to be stored, and what became of it.

    Attributes:
        sheet: What to store.
        key: Who sends it; None for a person, who was read for this request.
        stored: The rows that are new.
        others: Stored values that differ from those of the sheet, by start and time.
        error: Why nothing was stored; None once it is settled. Whatever cuts the work short
            leaves it in place, so that nobody is told of points that are not there.
    """

    sheet: Sheet
    key: SendingKey | None
    stored: list[Row] = field(default_factory=list)
    others: dict[RowKey, float | None] = field(default_factory=dict)
    error: Exception | None = field(default_factory=lambda: OperationalError("not stored"))

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.sheet.rows)


def store_parcels(organization_id: UUID, parcels: list[SheetParcel]) -> None:
    """Store parcels of one organization, and note in each what became of it.

    All of them share a transaction, unless something stands in its way: then each has its own,
    so that one that fails does not fail its neighbours. When this returns, what it calls stored
    is committed.
    """
    try:
        _store_together(organization_id, parcels)
    except Exception as error:  # noqa: BLE001 - each parcel's own is handed to its thread
        for parcel in parcels:
            parcel.error = error
        if is_lost(error):
            return
        for place, parcel in enumerate(parcels):
            alone = parcel.error = _store_alone(organization_id, parcel, error)
            if alone is not None and is_lost(alone):
                for behind in parcels[place + 1 :]:
                    behind.error = alone
                return


def is_lost(error: Exception) -> bool:
    """Tell whether the database is away or overloaded, so that trying again now is no use."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return not isinstance(error.__cause__, DeadlockDetected)


def _store_alone(organization_id: UUID, parcel: SheetParcel, error: Exception) -> Exception | None:
    for _ in range(_TRIES):
        if isinstance(error, IntegrityError):
            _let_go(error)
        try:
            if isinstance(error, IntegrityError) and parcel.size:
                _store_new(organization_id, parcel)
            else:
                _store_together(organization_id, [parcel])
        except RefusedError as refused:
            return refused
        except (DatabaseError, InterfaceError) as again:
            error = again
            if is_lost(error):
                return error
        except Exception as unforeseen:  # noqa: BLE001 - it is this parcel's alone
            return unforeseen
        else:
            return None
    return error


def _let_go(error: BaseException | None) -> None:
    """Take the frames from an error that was expected.

    One of them refers to the error: with it, every row of the request would wait for the
    collector.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _store_together(organization_id: UUID, parcels: list[SheetParcel]) -> None:
    """Copy straight into the table.

    Raises:
        IntegrityError: One of the rows is there already, or comes twice.
        RefusedError: A key or robot is not what it was taken for.
    """
    series: dict[bytes, Series] = {}
    for parcel in parcels:
        series.update(parcel.sheet.series)
    if len(parcels) == 1:
        rows = parcels[0].sheet.rows
    else:
        rows = [row for parcel in parcels for row in parcel.sheet.rows]
        rows.sort(key=_ORDER)
    if len(rows) <= MOST_ROWS and not any(parcel.sheet.has_metadata for parcel in parcels):
        if refused := store_rows(organization_id, _remembered(parcels), rows, series):
            raise RefusedError(refused)
    else:
        with tenant_transaction(organization_id):
            _confirm(parcels)
            _copy(_COPY, b"".join((_HEAD, *[row.data for row in rows], _END)))
            batches_add(organization_id, list(outer_keys(rows, series)))
    for parcel in parcels:
        parcel.stored, parcel.error = parcel.sheet.rows, None


def _store_new(organization_id: UUID, parcel: SheetParcel) -> None:
    """Store through a staging table what is not there yet."""
    sheet = parcel.sheet
    rows = sheet.rows
    staged = [_HEAD]
    for ordinal, row in enumerate(rows):
        staged += (_STAGING_FIELDS, ordinal.to_bytes(4, "big"), row.data[2:])
    staged.append(_END)
    least, greatest = min(row.time for row in rows), max(row.time for row in rows)
    with tenant_transaction(organization_id):
        _confirm([parcel])
        with connection.cursor() as cursor:
            cursor.execute(_STAGING)
            _copy(_COPY_TO_STAGING, b"".join(staged))
            cursor.execute(_INSERT)
            stored = [rows[ordinal] for (ordinal,) in sorted(cursor.fetchall())]
            others = {}
            if len(stored) < len(rows):
                cursor.execute(_OTHERS, [least, greatest])
                others = {rows[ordinal].key: value for ordinal, value in cursor.fetchall()}
        batches_add(organization_id, list(outer_keys(stored, sheet.series)))
    parcel.stored, parcel.others, parcel.error = stored, others, None


def _copy(statement: str, data: bytes) -> None:
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.write(data)


def _confirm(parcels: list[SheetParcel]) -> None:
    """Have the database say that every key and robot still is what it was taken for.

    One read by primary keys, and the transaction's limit of time with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CONFIRM, [STATEMENT_TIMEOUT, *_remembered(parcels)])
        refused = cast("tuple[str, list[UUID]]", cursor.fetchone())[1]
    if refused:
        raise RefusedError(refused)


def _remembered(parcels: list[SheetParcel]) -> list[Any]:
    """Return what keys and robots were taken for, as `telemetry_refused()` is asked."""
    keys = {parcel.key for parcel in parcels if parcel.key is not None}
    robots = {}
    for parcel in parcels:
        robots.update(parcel.sheet.robots)
    return [
        [key.id for key in keys],
        [key.robot_id for key in keys],
        [",".join(key.allowed_networks) for key in keys],
        _SCOPE,
        list(robots),
        [robot.serial_number for robot in robots.values()],
    ]
