"""Levels and columns of the rollup tables."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = (
    "count", "sum", "wide_sum", "min", "max", "first", "first_at", "last", "last_at", "unit",
)  # fmt: skip


@dataclass(frozen=True)
class Level:
    """A rollup: its table, the width of its buckets in seconds, and the table it is made from."""

    table: str
    seconds: int
    chunk_seconds: int


MINUTES = Level("telemetry_minutes", 60, 7 * 86_400)
HOURS = Level("telemetry_hours", 3_600, 90 * 86_400)
DAYS = Level("telemetry_days", 86_400, 365 * 86_400)
LEVELS = (MINUTES, HOURS, DAYS)
# From a double of 1e150 on a sum might leave the range; scaled by a power of two, which loses no
# digit, it does not. `wide_sum` is left NULL where there is no such value.
WIDE = 2.0**600
POINT_COLUMNS = f"""
    1 AS count,
    CASE WHEN abs(t.value) < 1e150 THEN t.value END AS sum,
    CASE WHEN abs(t.value) < 1e150 THEN NULL ELSE t.value / {WIDE!r} END AS wide_sum,
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
    # That of the newest point which says its unit.
    "unit": "last(p.unit, p.last_at) FILTER (WHERE p.unit IS NOT NULL)",
}
