"""Insert a small batch into `robot_telemetry` in one statement and round trip."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from apps.telemetry.services.ingest.encoded_batch import EncodedPoint, SeriesKey, bounding_keys
from apps.telemetry.services.ingest.pg_arrays import array_literal, quote_element
from apps.telemetry.services.pending_work import work_items_for
from urfmp.common.tenancy.context import execute_in_tenant

MAX_SMALL_BATCH_POINTS = 1_000
"""Beyond this COPY is cheaper: its rows are packed already."""

STATEMENT_TIMEOUT = "10s"

_INSERT = """
    SELECT telemetry_store(
        %s::uuid[], %s::uuid[], %s::text[], %s, %s::uuid[], %s::text[],
        %s::uuid[], %s::text[], %s::text[], %s::integer[], %s::bigint[],
        %s::double precision[], %s::jsonb)
"""


def insert_points(
    organization_id: UUID,
    cached_references: list[Any],
    points: list[EncodedPoint],
    series: dict[bytes, SeriesKey],
) -> list[UUID]:
    """Insert points without metadata and enqueue their pending work.

    Nothing is stored if a cached API key or robot is stale.

    Args:
        organization_id: Organization that owns the robots.
        cached_references: Arguments of `telemetry_refused()`.
        points: Sorted points.
        series: Series of each key prefix.

    Returns:
        The ids of stale API keys and robots.

    Raises:
        IntegrityError: A point is stored already, or occurs twice.
    """
    numbers: dict[tuple[bytes, str | None], int] = {}
    series_numbers = [
        numbers.setdefault((point.key_prefix, point.unit), len(numbers) + 1) for point in points
    ]
    series_keys = [series[prefix] for prefix, _ in numbers]
    work_items = list(work_items_for(list(bounding_keys(points, series))))
    values = [
        *cached_references,
        array_literal(key.robot_id for key in series_keys),
        array_literal(quote_element(key.metric_name) for key in series_keys),
        array_literal(quote_element(unit) for _, unit in numbers),
        array_literal(series_numbers),
        array_literal(point.time for point in points),
        array_literal(point.value for point in points),
        msgspec.json.encode(work_items).decode(),
    ]
    stale: list[UUID]
    (stale,) = execute_in_tenant(
        organization_id, _INSERT, values, statement_timeout=STATEMENT_TIMEOUT
    )
    return stale
