"""SQL of series: known metrics, pending ranges, raw points, buckets, percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.telemetry.models.rollups import AGGREGATES, COLUMNS, POINT_COLUMNS
from apps.telemetry.selectors.resolution import TimeSlice, micros_to_datetime

_POINT_CHUNK_SECONDS = 86_400
# More time slices than these are merged: one large branch is planned faster than many.
_MAX_BRANCHES = 12
# Each robot of a work item has sent each of its metrics.
KNOWN_METRICS = """
    SELECT l.metric_name FROM telemetry_latest l
    WHERE l.robot_id = ANY (%(robots)s) AND l.metric_name = ANY (%(metrics)s)
    UNION
    SELECT unnest(b.metric_names)
    FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
"""
# In whole minutes, the width of the finest rollup.
PENDING_RANGES = """
    SELECT DISTINCT date_trunc('minute', b.least_time, 'UTC'),
           date_trunc('minute', b.greatest_time, 'UTC') + interval '1 minute'
    FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
      AND b.metric_names && %(metrics)s::varchar[]
      AND b.greatest_time >= %(start)s AND b.least_time < %(end)s
    ORDER BY 1
"""
_REQUESTED_SERIES = """
    requested AS MATERIALIZED (
        SELECT r.id AS robot_id, m.name AS metric_name
        FROM robots r CROSS JOIN unnest(%(metrics)s::varchar[]) AS m (name)
        WHERE r.id = ANY (%(robots)s)
    )
"""
# Pairs instead of all combinations of robots and metrics.
REQUESTED_PAIRS = """
    requested AS MATERIALIZED (
        SELECT r.id AS robot_id, p.metric_name
        FROM unnest(%(robots)s::uuid[], %(metrics)s::varchar[]) AS p (robot_id, metric_name)
        JOIN robots r ON r.id = p.robot_id
    )
"""
RAW_POINTS = f"""
    WITH {_REQUESTED_SERIES}
    SELECT a.robot_id, a.metric_name, t.time, t.value, t.unit
    FROM requested a
    CROSS JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.time >= %(start)s AND t.time < %(end)s
        ORDER BY t.time LIMIT %(limit)s
    ) AS t
    ORDER BY 1, 2, 3
"""  # noqa: S608 - constants
# One index scan for each series and time slice. The statement also has the limits of all slices
# together, so that chunks outside of them are not planned.
_BRANCH = """
    SELECT a.robot_id, a.metric_name, s.*
    FROM requested a
    CROSS JOIN (VALUES {slices}) AS v (least, until)
    CROSS JOIN LATERAL (
        SELECT {columns} FROM {table} t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.{time} >= v.least AND t.{time} < v.until
          AND t.{time} >= {start} AND t.{time} < {end} {condition}
        OFFSET 0
    ) AS s
"""
_BUCKETS = """
    WITH {requested}
    SELECT p.robot_id, p.metric_name, {bucket}, {aggregates}
    FROM ({branches}) AS p
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
"""
# The start of a time's bucket. Buckets of local days have no common width.
_EQUAL_BUCKET = "time_bucket(%(width)s * interval '1 second', {time}, %(origin)s::timestamptz)"
_LIMITED_BUCKET = "(%(limits)s::timestamptz[])[width_bucket({time}, %(limits)s::timestamptz[])]"
_PERCENTILES = f"""
    WITH {_REQUESTED_SERIES}
    SELECT a.robot_id, a.metric_name, {{bucket}},
           percentile_disc(%(fractions)s::float8[]) WITHIN GROUP (ORDER BY t.value)
    FROM requested a
    CROSS JOIN LATERAL (
        SELECT t.time, t.value FROM robot_telemetry t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.time >= %(start)s AND t.time < %(end)s AND t.value IS NOT NULL
        OFFSET 0
    ) AS t
    GROUP BY 1, 2, 3
"""  # noqa: S608 - constants


def _bucket(time: str, *, has_limits: bool) -> str:
    return (_LIMITED_BUCKET if has_limits else _EQUAL_BUCKET).format(time=time)


def percentile_statement(*, has_limits: bool) -> str:
    """Return the SQL of percentiles; see `bucket_statement`."""
    return _PERCENTILES.format(bucket=_bucket("t.time", has_limits=has_limits))


def bucket_statement(
    slices: Sequence[TimeSlice], *, has_limits: bool, requested: str = _REQUESTED_SERIES
) -> str:
    """Return the SQL that reads each slice from its table.

    Args:
        slices: Time slices with their sources.
        has_limits: Whether the parameter `limits` has the limits of the buckets; otherwise `width`
            has their width.
        requested: Common table expression of the series.
    """
    groups: dict[tuple[Any, int], list[TimeSlice]] = {}
    for part in slices:
        chunk = part.level.chunk_seconds if part.level else _POINT_CHUNK_SECONDS
        groups.setdefault((part.level, part.start // (chunk * 1_000_000)), []).append(part)
    if len(groups) > _MAX_BRANCHES:
        groups = {}
        for part in slices:
            groups.setdefault((part.level, 0), []).append(part)
    return _BUCKETS.format(
        requested=requested,
        bucket=_bucket("p.first_at", has_limits=has_limits),
        aggregates=", ".join(AGGREGATES[name] for name in COLUMNS),
        branches=" UNION ALL ".join(_branch(members) for members in groups.values()),
    )


def _branch(members: Sequence[TimeSlice]) -> str:
    level = members[0].level
    return _BRANCH.format(
        slices=", ".join(
            f"({_timestamp_literal(m.start)}, {_timestamp_literal(m.end)})" for m in members
        ),
        columns=", ".join(f"t.{name}" for name in COLUMNS) if level else POINT_COLUMNS,
        table=level.table if level else "robot_telemetry",
        time="bucket" if level else "time",
        start=_timestamp_literal(members[0].start),
        end=_timestamp_literal(members[-1].end),
        condition="" if level else "AND t.value IS NOT NULL",
    )


def _timestamp_literal(value: int) -> str:
    return f"timestamptz '{micros_to_datetime(value).isoformat()}'"
