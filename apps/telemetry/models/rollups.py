"""Levels and columns of the rollup tables."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = (
    "count", "sum", "wide_sum", "min", "max", "first", "first_at", "last", "last_at", "unit",
)  # fmt: skip


@dataclass(frozen=True)
class RollupLevel:
    """A rollup table: bucket width and chunk length in seconds."""

    table: str
    seconds: int
    chunk_seconds: int


MINUTES = RollupLevel("telemetry_minutes", 60, 7 * 86_400)
HOURS = RollupLevel("telemetry_hours", 3_600, 90 * 86_400)
DAYS = RollupLevel("telemetry_days", 86_400, 365 * 86_400)
LEVELS = (MINUTES, HOURS, DAYS)
# Sums of values from 1e150 on might overflow a double. Divided by a power of two, which loses no
# precision, they do not. `wide_sum` is NULL for buckets without such a value.
WIDE_SCALE = 2.0**600
POINT_COLUMNS = f"""
    1 AS count,
    CASE WHEN abs(t.value) < 1e150 THEN t.value END AS sum,
    CASE WHEN abs(t.value) < 1e150 THEN NULL ELSE t.value / {WIDE_SCALE!r} END AS wide_sum,
    t.value AS min, t.value AS max, t.value AS first, t.time AS first_at,
    t.value AS last, t.time AS last_at, t.unit AS unit
"""
AGGREGATES = {
    "count": "sum(p.count)::bigint",
    "sum": "sum(p.sum)",
    "wide_sum": "sum(p.wide_sum)",
    "min": "min(p.min)",
    "max": "max(p.max)",
    "first": "first(p.first, p.first_at)",
    "first_at": "min(p.first_at)",
    "last": "last(p.last, p.last_at)",
    "last_at": "max(p.last_at)",
    # The unit of the newest point that has one.
    "unit": "last(p.unit, p.last_at) FILTER (WHERE p.unit IS NOT NULL)",
}
