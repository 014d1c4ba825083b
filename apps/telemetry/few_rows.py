"""A few rows into `robot_telemetry`, in one statement and one round trip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from apps.telemetry.batches import blocks_of
from apps.telemetry.rows import Row, Series, outer_keys
from urfmp.common.tenancy import tenant_statement

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
    blocks = [
        {
            "robot_ids": block.robot_ids,
            "metric_names": block.metric_names,
            "least_time": block.least_time,
            "greatest_time": block.greatest_time,
        }
        for block in blocks_of(list(outer_keys(rows, series)))
    ]
    values = [
        *remembered,
        _array(str(one.robot_id) for one in named),
        _array(one.metric_name for one in named),
        _array(_quoted(unit) for _, unit in numbers),
        _array(map(str, places)),
        _array(str(row.time) for row in rows),
        _array(repr(row.value) for row in rows),
        msgspec.json.encode(blocks).decode(),
    ]
    refused: list[UUID]
    (refused,) = tenant_statement(
        organization_id, _STORE, values, statement_timeout=STATEMENT_TIMEOUT
    )
    return refused


def _array(items: Iterable[str]) -> str:
    """Return an array as PostgreSQL reads it; psycopg takes its time over long lists."""
    return f"{{{','.join(items)}}}"


def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
