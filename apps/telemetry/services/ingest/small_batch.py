"""A few rows into `robot_telemetry`, in one statement and one round trip."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from apps.telemetry.services.ingest.encoding import Row, Series, outer_keys
from apps.telemetry.services.ingest.pg_arrays import array_text, quoted
from apps.telemetry.services.pending_work import blocks_of
from urfmp.common.tenancy.context import tenant_statement

MOST_ROWS = 1_000
"""Beyond this COPY is cheaper: its rows are packed already."""

STATEMENT_TIMEOUT = "10s"

_STORE = """
    SELECT telemetry_store(
        %s::uuid[], %s::uuid[], %s::text[], %s, %s::uuid[], %s::text[],
        %s::uuid[], %s::text[], %s::text[], %s::integer[], %s::bigint[],
        %s::double precision[], %s::jsonb)
"""


def store_rows(
    organization_id: UUID,
    remembered: list[Any],
    rows: list[Row],
    series: dict[bytes, Series],
) -> list[UUID]:
    """Store rows without metadata, if what was remembered holds, and tell their consumers.

    Args:
        organization_id: Whose they are.
        remembered: What is asked of `telemetry_refused()`.
        rows: Sorted.
        series: What their starts stand for.

    Returns:
        The keys and robots that are not what they were taken for: then nothing was stored.

    Raises:
        IntegrityError: One of the rows is there already, or comes twice.
    """
    numbers: dict[tuple[bytes, str | None], int] = {}
    places = [numbers.setdefault((row.start, row.unit), len(numbers) + 1) for row in rows]
    named = [series[start] for start, _ in numbers]
    blocks = list(blocks_of(list(outer_keys(rows, series))))
    values = [
        *remembered,
        array_text(one.robot_id for one in named),
        array_text(quoted(one.metric_name) for one in named),
        array_text(quoted(unit) for _, unit in numbers),
        array_text(places),
        array_text(row.time for row in rows),
        array_text(row.value for row in rows),
        msgspec.json.encode(blocks).decode(),
    ]
    refused: list[UUID]
    (refused,) = tenant_statement(
        organization_id, _STORE, values, statement_timeout=STATEMENT_TIMEOUT
    )
    return refused
