"""Telemetry out as a file, of any range, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import StreamingHttpResponse

from apps.audit.services.audit_logs import audit_record
from apps.telemetry.exceptions import ExportTooLongError
from apps.telemetry.selectors import RangeError
from apps.telemetry.services.export_formats import FORMATS, ExportFormat
from urfmp.common.export_slots import TooManyExportsError, takes_place
from urfmp.common.tenancy.context import Actor, current_actor, tenant_transaction

# Rows that are in memory at one time, in the database's answer and as lines.
PREFETCH_ROWS = 5_000
# An export keeps dead rows from being cleaned up and old chunks from being dropped: it may take an
# hour, and its reader may stand still for five minutes, after which the server ends the session.
_MAX_SECONDS, _MAX_STALL = 3600, "5min"
_PATIENCE_SECONDS, _POLL_SECONDS = 60.0, 0.25
_SETTINGS = """
    SELECT set_config('idle_in_transaction_session_timeout', %s, true),
           set_config('max_parallel_workers_per_gather', '0', true),
           set_config('enable_sort', 'off', true)
"""
# Characters at which a spreadsheet takes a cell for a formula, and the one that keeps it from it.
_FORMULA = "('=', '+', '-', '@', E'\\t', E'\\r', E'\\n', '''', '＝', '＋', '－', '＠')"  # noqa: RUF001
# Robot by robot, oldest first. An index gives that order, so nothing is sorted and the first row
# comes at once. The robots are read through their policy, and bound the points by it.
_ROWS = """
    SELECT r.start || ',' || {metric_name} || ','
        || to_char(t.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || ',' || coalesce(t.value::text, '')
        || ',' || coalesce({unit}, '') || ',' || coalesce({metadata}, '')
    FROM (
        SELECT id, id::text || ',' || {name} || ',' || coalesce({serial_number}, '') AS start
        FROM robots WHERE id = ANY (%(robots)s) ORDER BY id
    ) AS r
    CROSS JOIN LATERAL (
        SELECT time, metric_name, value, unit, metadata FROM robot_telemetry
        WHERE robot_id = r.id AND time >= %(start)s AND time < %(end)s {only}
        ORDER BY time, metric_name
    ) AS t
"""


@dataclass(frozen=True)
class ExportQuery:
    """What to export: points of robots from `start` to before `end`.

    Attributes:
        robot_ids: The robots; the caller has made sure that they may be seen.
        metrics: Names, or None for every metric.
        start: The first moment.
        end: The moment after the last.
        format: A key of `FORMATS`.
        is_whole_fleet: Whether the robots are all of those that the caller sees.
    """

    robot_ids: tuple[UUID, ...]
    metrics: tuple[str, ...] | None
    start: datetime
    end: datetime
    format: str
    is_whole_fleet: bool = False

    @property
    def file_name(self) -> str:
        """A name that says what is in the file."""
        start, end = (f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" for at in (self.start, self.end))
        return f"telemetry_{start}_{end}.{FORMATS[self.format].suffix}"


def telemetry_export(query: ExportQuery, *, organization_id: UUID) -> StreamingHttpResponse:
    """Record an export and return it; its rows are read while it is sent.

    The rows are those of one moment, that of the first one's reading. They are read in a
    transaction of their own, which ends with the response, also when the reader goes away.

    Raises:
        RangeError: `start` is not before `end`.
        TooManyExportsError: Others of the organization, or of the platform, are running.
    """
    if query.start >= query.end:
        raise RangeError
    if not _takes_place(organization_id):
        raise TooManyExportsError
    audit_record(
        action="telemetry.export", resource_type="robot_telemetry", request_data=_recorded(query)
    )
    kind = FORMATS[query.format]
    response = StreamingHttpResponse(
        _stream(kind, export_lines(query, organization_id, current_actor())),
        content_type=kind.content_type,
    )
    response["Content-Disposition"] = f'attachment; filename="{query.file_name}"'
    return response


def _stream(kind: ExportFormat, lines: Generator[list[str]]) -> Iterator[bytes]:
    """Yield the file; whoever stops reading ends the transaction at once."""
    with closing(lines):
        yield from kind.encode(lines)


def _recorded(query: ExportQuery) -> dict[str, Any]:
    return {
        "format": query.format,
        "start": query.start.isoformat(),
        "end": query.end.isoformat(),
        "robots": "all" if query.is_whole_fleet else [str(pk) for pk in query.robot_ids],
        "metrics": "all" if query.metrics is None else list(query.metrics),
    }


def _takes_place(organization_id: UUID) -> bool:
    return takes_place("telemetry.export", organization_id)


def export_lines(query: ExportQuery, organization_id: UUID, actor: Actor) -> Generator[list[str]]:
    """Yield batches of lines of CSV, in the order of `COLUMNS`, as `_ROWS` reads them.

    Who starts in the same moment as others may find its place taken after all; it waits for one.

    Raises:
        ExportTooLongError: It took longer than an hour.
        TooManyExportsError: No place became free.
    """
    begun = time.monotonic()
    while True:
        with tenant_transaction(organization_id, actor):
            if _takes_place(organization_id):
                yield from _lines(query)
                return
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            raise TooManyExportsError
        time.sleep(_POLL_SECONDS)


def _lines(query: ExportQuery) -> Iterator[list[str]]:
    ends = time.monotonic() + _MAX_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS, [_MAX_STALL])
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            _statement(query),
            {
                "robots": list(query.robot_ids),
                "metrics": list(query.metrics or ()),
                "start": query.start,
                "end": query.end,
            },
        )
        while rows := cursor.fetchmany(PREFETCH_ROWS):
            if time.monotonic() > ends:
                raise ExportTooLongError
            yield [line for (line,) in rows]


def _statement(query: ExportQuery) -> str:
    def quoted(column: str) -> str:
        text = f"replace({column}, '\"', '\"\"')"
        if FORMATS[query.format].is_for_spreadsheets:
            text = f"CASE WHEN left({column}, 1) IN {_FORMULA} THEN '''' ELSE '' END || {text}"
        return f"'\"' || {text} || '\"'"

    return _ROWS.format(
        **{name: quoted(name) for name in ("name", "serial_number")},
        **{name: quoted(f"t.{name}") for name in ("metric_name", "unit")},
        metadata=quoted("t.metadata::text"),
        only="" if query.metrics is None else "AND metric_name = ANY (%(metrics)s)",
    )
