"""Metrics over a time range, downsampled for charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from apps.telemetry.exceptions import (
    InvalidRangeError,
    RangeTooLargeError,
    SeriesTooLongError,
    UnknownMetricError,
)
from apps.telemetry.models.rollups import AGGREGATES, COLUMNS, POINT_COLUMNS, WIDE_SCALE
from apps.telemetry.selectors.resolution import (
    BUCKET_ORIGIN,
    MAX_POINTS_PER_SERIES,
    TimeSlice,
    bucket_count,
    bucket_width,
    datetime_to_micros,
    levels_for,
    micros_to_datetime,
    plan_slices,
)

AGGREGATIONS = ("avg", "min", "max", "count", "first", "last", "sum")
DEFAULT_AGGREGATIONS = ("avg", "min", "max")
MAX_RAW_POINTS = 1_000_000
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
_POINT_CHUNK_SECONDS = 86_400
# More time slices than these are merged: one large branch is planned faster than many.
_MAX_BRANCHES = 12
# Each robot of a work item has sent each of its metrics.
_KNOWN_METRICS = """
    SELECT l.metric_name FROM telemetry_latest l
    WHERE l.robot_id = ANY (%(robots)s) AND l.metric_name = ANY (%(metrics)s)
    UNION
    SELECT unnest(b.metric_names)
    FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
"""
# In whole minutes, the width of the finest rollup.
_PENDING = """
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
_RAW_POINTS = f"""
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
    SELECT p.robot_id, p.metric_name,
           time_bucket(%(width)s * interval '1 second', p.first_at, %(origin)s::timestamptz),
           {aggregates}
    FROM ({branches}) AS p
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
"""
_PERCENTILES = f"""
    WITH {_REQUESTED_SERIES}
    SELECT a.robot_id, a.metric_name,
           time_bucket(%(width)s * interval '1 second', t.time, %(origin)s::timestamptz),
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
SeriesPoint = tuple[Any, ...]


class Series(msgspec.Struct):
    """A metric of a robot over a time range.

    Attributes:
        robot_id: Robot of the series.
        metric_name: Metric of the series.
        unit: UCUM code of the newest point in the range that has a unit, if any.
        resolution_seconds: Width of a bucket; 0 for raw points.
        aggregations: Names of the values in a point after its time.
        points: One for each bucket with data, oldest first: its start, then the aggregations.
            Buckets without data are left out.
    """

    robot_id: UUID
    metric_name: str
    unit: str | None
    resolution_seconds: int
    aggregations: tuple[str, ...]
    points: list[SeriesPoint]


@dataclass(frozen=True)
class SeriesQuery:
    """A query for series.

    Attributes:
        robot_ids: Robots to include.
        metrics: Metrics to include.
        start: Start of the time range.
        end: End of the time range, exclusive.
        max_points: Maximum number of points per series.
        aggregations: Names from `AGGREGATIONS`, or percentiles such as `p95` and `p99.9`.
        resolution_seconds: Width of a bucket, one of `RESOLUTIONS`; 0 for raw points, None for
            the finest that respects `max_points`.
    """

    robot_ids: tuple[UUID, ...]
    metrics: tuple[str, ...]
    start: datetime
    end: datetime
    max_points: int = MAX_POINTS_PER_SERIES
    aggregations: tuple[str, ...] = DEFAULT_AGGREGATIONS
    resolution_seconds: int | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the SQL statements."""
        return {
            "robots": list(self.robot_ids),
            "metrics": list(self.metrics),
            "start": self.start,
            "end": self.end,
            "origin": BUCKET_ORIGIN,
        }


def parse_percentile(name: str) -> float | None:
    """Return the percentile (above 0, below 100) of a name, or None."""
    found = _PERCENTILE.fullmatch(name)
    value = float(found[1]) if found else 0.0
    return value if value > 0 else None


def get_series(query: SeriesQuery) -> list[Series]:
    """Return one series for each requested robot and metric, in that order.

    Buckets start at multiples of their width in UTC, those of a week on Monday. The first and the
    last only contain points of the range. Rolled-up ranges are read from rollups, the rest from
    points, so the result includes every point acknowledged before the query. A few SQL queries,
    whatever the number of series.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        SeriesTooLongError: The requested resolution needs more than `max_points` points.
        RangeTooLargeError: Percentiles would need more than `MAX_RAW_POINTS` points.
        UnknownMetricError: None of the robots has sent one of the metrics.
    """
    if query.start >= query.end:
        raise InvalidRangeError
    _check_metrics(query)
    width = query.resolution_seconds
    if width is None:
        count = len(query.robot_ids) * len(query.metrics)
        width = bucket_width(query.start, query.end, max_points=query.max_points, series=count)
    if width <= 1 and query.resolution_seconds != 1:
        raw = _raw_series(query)
        if raw is not None:
            return raw
        if query.resolution_seconds == 0:
            raise SeriesTooLongError
    if bucket_count(query.start, query.end, width) > query.max_points:
        raise SeriesTooLongError
    return _bucketed_series(query, width)


def _check_metrics(query: SeriesQuery) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_METRICS, query.parameters())
        known = {name for (name,) in cursor.fetchall()}
    if unknown := [name for name in query.metrics if name not in known]:
        names = ", ".join(unknown)
        is_single = len(query.robot_ids) == 1
        subject = "This robot has never" if is_single else "None of these robots has"
        msg = f"{subject} sent {names}."
        raise UnknownMetricError(msg)


def _empty_series(query: SeriesQuery, width: int) -> dict[tuple[UUID, str], Series]:
    return {
        (robot_id, name): Series(robot_id, name, None, width, query.aggregations, [])
        for robot_id in query.robot_ids
        for name in query.metrics
    }


def _raw_series(query: SeriesQuery) -> list[Series] | None:
    """Return raw points; None if a series has too many."""
    found = _empty_series(query, 0)
    with connection.cursor() as cursor:
        cursor.execute(_RAW_POINTS, {**query.parameters(), "limit": query.max_points + 1})
        rows = cursor.fetchall()
    for (robot_id, name), members in groupby(rows, key=lambda row: row[:2]):
        one = found[robot_id, name]
        for _, _, time, value, unit in members:
            one.unit = unit or one.unit
            one.points.append(
                (time, *(_aggregate_of_point(name, value) for name in query.aggregations))
            )
        if len(one.points) > query.max_points:
            return None
    return list(found.values())


def _aggregate_of_point(aggregation: str, value: float | None) -> float | None:
    if aggregation == "count":
        return int(value is not None)
    return value


def _bucketed_series(query: SeriesQuery, width: int) -> list[Series]:
    found = _empty_series(query, width)
    values = {**query.parameters(), "width": width}
    percentiles = [name for name in query.aggregations if parse_percentile(name)]
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, values)
        slices = plan_slices(
            query.start, query.end, levels_for(width), _merge_overlapping(cursor.fetchall())
        )
        cursor.execute(_statement(slices), values)
        rows = cursor.fetchall()
        percentile_values = _percentiles(cursor, values, percentiles, rows)
    aggregators = [_aggregator(name, percentiles) for name in query.aggregations]
    for robot_id, name, time, *row in rows:
        one = found[robot_id, name]
        bucket = dict(zip(COLUMNS, row, strict=True))
        bucket["percentiles"] = percentile_values.get((robot_id, name, time))
        one.unit = bucket["unit"] or one.unit
        one.points.append((time, *(aggregate(bucket) for aggregate in aggregators)))
    return list(found.values())


def _merge_overlapping(ranges: Sequence[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for range_start, range_end in ranges:
        start, end = datetime_to_micros(range_start), datetime_to_micros(range_end)
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


def _statement(slices: Sequence[TimeSlice]) -> str:
    """Return the SQL that reads each slice from its table."""
    groups: dict[tuple[Any, int], list[TimeSlice]] = {}
    for part in slices:
        chunk = part.level.chunk_seconds if part.level else _POINT_CHUNK_SECONDS
        groups.setdefault((part.level, part.start // (chunk * 1_000_000)), []).append(part)
    if len(groups) > _MAX_BRANCHES:
        groups = {}
        for part in slices:
            groups.setdefault((part.level, 0), []).append(part)
    return _BUCKETS.format(
        requested=_REQUESTED_SERIES,
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


def _percentiles(
    cursor: Any, values: dict[str, Any], names: Sequence[str], rows: Sequence[Any]
) -> dict[tuple[UUID, str, datetime], list[float]]:
    if not names:
        return {}
    count = sum(row[3 + COLUMNS.index("count")] for row in rows)
    if count > MAX_RAW_POINTS:
        msg = (
            f"The range has {count:,} points. Percentiles need a range with at most "
            f"{MAX_RAW_POINTS:,}."
        )
        raise RangeTooLargeError(msg)
    fractions = [(parse_percentile(name) or 0.0) / 100 for name in names]
    cursor.execute(_PERCENTILES, {**values, "fractions": fractions})
    return {(robot_id, name, time): found for robot_id, name, time, found in cursor.fetchall()}


def _aggregator(name: str, percentiles: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """Return the function that computes an aggregation of a bucket."""
    if name in percentiles:
        index = percentiles.index(name)
        return lambda bucket: bucket["percentiles"] and bucket["percentiles"][index]
    return {"avg": _average, "sum": _sum}.get(name, lambda bucket: bucket[name])


def _average(bucket: dict[str, Any]) -> float:
    count = bucket["count"]
    mean = (bucket["sum"] or 0.0) / count + (bucket["wide_sum"] or 0.0) / count * WIDE_SCALE
    # Rounding must not exceed the range of the values.
    return float(min(max(mean, bucket["min"]), bucket["max"]))


def _sum(bucket: dict[str, Any]) -> float:
    return float((bucket["sum"] or 0.0) + (bucket["wide_sum"] or 0.0) * WIDE_SCALE)
