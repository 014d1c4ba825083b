"""Export telemetry of any range to a file, in bounded memory."""

from __future__ import annotations

import codecs
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import connection

from apps.audit.services.audit_logs import audit_record
from apps.telemetry.exceptions import ExportTooLongError, InvalidRangeError
from apps.telemetry.services.export_formats import EXPORT_FORMATS, ExportFormat
from urfmp.common.export_slots import (
    MAX_EXPORT_STATEMENT_SECONDS,
    TooManyExportsError,
    release_export_slots,
    try_acquire_export_slot,
)
from urfmp.common.tenancy.context import Actor, current_actor, tenant_transaction

if TYPE_CHECKING:
    from urfmp.db.backends.postgresql.base import DatabaseWrapper

# Rows in memory at one time, in the database result and as lines.
FETCH_ROWS = 5_000
# An export prevents vacuum from removing dead rows and retention from dropping chunks. So it may
# take an hour, and its client may stop reading for five minutes before PostgreSQL aborts it.
_MAX_DURATION_SECONDS = 3600
_MAX_IDLE = "5min"
_SESSION_SETTINGS = """
    SELECT set_config('idle_in_transaction_session_timeout', %s, true),
           set_config('max_parallel_workers_per_gather', '0', true),
           set_config('enable_sort', 'off', true)
"""
# Initial characters that make a spreadsheet evaluate a cell as a formula, and the escape itself.
_FORMULA_CHARACTERS = "('=', '+', '-', '@', E'\\t', E'\\r', E'\\n', '''', '＝', '＋', '－', '＠')"  # noqa: RUF001
# Robot by robot, oldest first. An index provides that order, so nothing is sorted and the first row
# arrives at once. The row-level security policy of `robots` restricts the points as well.
_SELECT_LINES = """
    SELECT r.prefix || ',' || {metric_name} || ','
        || to_char(t.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || ',' || coalesce(t.value::text, '')
        || ',' || coalesce({unit}, '') || ',' || coalesce({metadata}, '')
    FROM (
        SELECT id, id::text || ',' || {name} || ',' || coalesce({serial_number}, '') AS prefix
        FROM robots WHERE id = ANY (%(robots)s) ORDER BY id
    ) AS r
    CROSS JOIN LATERAL (
        SELECT time, metric_name, value, unit, metadata FROM robot_telemetry
        WHERE robot_id = r.id AND time >= %(start)s AND time < %(end)s {metric_filter}
        ORDER BY time, metric_name
    ) AS t
"""


@dataclass(frozen=True)
class ExportQuery:
    """What to export.

    Attributes:
        robot_ids: Robots to export; the caller has checked that they are visible.
        metrics: Metric names, or None for every metric.
        start: Start of the time range.
        end: End of the time range, exclusive.
        format: A key of `EXPORT_FORMATS`.
        is_whole_fleet: Whether these are all robots that are visible to the user.
        has_byte_order_mark: Whether CSV begins with a byte order mark, for Excel.
    """

    robot_ids: tuple[UUID, ...]
    metrics: tuple[str, ...] | None
    start: datetime
    end: datetime
    format: str
    is_whole_fleet: bool = False
    has_byte_order_mark: bool = False

    @property
    def file_name(self) -> str:
        """File name with the time range."""
        start, end = (f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" for at in (self.start, self.end))
        return f"telemetry_{start}_{end}.{EXPORT_FORMATS[self.format].suffix}"


def telemetry_export(query: ExportQuery, *, organization_id: UUID) -> Iterator[bytes]:
    """Audit an export and return its content.

    Rows are read while the iterator is consumed, in a transaction of their own. It ends with the
    iterator, also if that is closed early. All rows belong to one snapshot, taken when the first
    one is read.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        TooManyExportsError: Too many exports of the organization, or of the platform, are running.
    """
    if query.start >= query.end:
        raise InvalidRangeError
    if not _try_acquire_slot(organization_id):
        raise TooManyExportsError
    audit_record(
        action="telemetry.export",
        resource_type="robot_telemetry",
        request_data=_audit_details(query),
    )
    return _encode(
        EXPORT_FORMATS[query.format],
        read_lines(query, organization_id, current_actor()),
        codecs.BOM_UTF8 if query.has_byte_order_mark else b"",
    )


def _encode(file_format: ExportFormat, lines: Generator[list[str]], mark: bytes) -> Iterator[bytes]:
    """Yield the encoded file; closing it ends the transaction at once."""
    with closing(lines):
        yield from file_format.encode(lines, mark)


def _audit_details(query: ExportQuery) -> dict[str, Any]:
    return {
        "format": query.format,
        "start": query.start.isoformat(),
        "end": query.end.isoformat(),
        "robots": "all" if query.is_whole_fleet else [str(pk) for pk in query.robot_ids],
        "metrics": "all" if query.metrics is None else list(query.metrics),
    }


def _try_acquire_slot(organization_id: UUID) -> bool:
    return try_acquire_export_slot("telemetry.export", organization_id)


def read_lines(query: ExportQuery, organization_id: UUID, actor: Actor) -> Generator[list[str]]:
    """Yield batches of CSV lines, then release the slot.

    Raises:
        ExportTooLongError: The export took longer than an hour.
        TooManyExportsError: The connection that held the slot was lost, and no other is free.
    """
    try:
        with tenant_transaction(organization_id, actor):
            if not _try_acquire_slot(organization_id):
                raise TooManyExportsError
            yield from _fetch_lines(query)
    finally:
        release_export_slots()


def _fetch_lines(query: ExportQuery) -> Iterator[list[str]]:
    deadline = time.monotonic() + _MAX_DURATION_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(_SESSION_SETTINGS, [_MAX_IDLE])
    limit = cast("DatabaseWrapper", connection).statement_limit(MAX_EXPORT_STATEMENT_SECONDS)
    with limit, connection.chunked_cursor() as cursor:
        cursor.execute(
            _statement(query),
            {
                "robots": list(query.robot_ids),
                "metrics": list(query.metrics or ()),
                "start": query.start,
                "end": query.end,
            },
        )
        while rows := cursor.fetchmany(FETCH_ROWS):
            if time.monotonic() > deadline:
                raise ExportTooLongError
            yield [line for (line,) in rows]


def _statement(query: ExportQuery) -> str:
    def quoted(column: str) -> str:
        text = f"replace({column}, '\"', '\"\"')"
        if EXPORT_FORMATS[query.format].is_for_spreadsheets:
            is_formula = f"left({column}, 1) IN {_FORMULA_CHARACTERS}"
            text = f"CASE WHEN {is_formula} THEN '''' ELSE '' END || {text}"
        return f"'\"' || {text} || '\"'"

    return _SELECT_LINES.format(
        **{name: quoted(name) for name in ("name", "serial_number")},
        **{name: quoted(f"t.{name}") for name in ("metric_name", "unit")},
        metadata=quoted("t.metadata::text"),
        metric_filter="" if query.metrics is None else "AND metric_name = ANY (%(metrics)s)",
    )
