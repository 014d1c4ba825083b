"""Metrics over a time range, downsampled for charts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection

from apps.telemetry.exceptions import (
    InvalidRangeError,
    RangeTooLargeError,
    SeriesTooLongError,
    UnknownMetricError,
)
from apps.telemetry.models.rollups import COLUMNS, DAYS, WIDE_SCALE
from apps.telemetry.selectors.resolution import (
    BUCKET_ORIGIN,
    MAX_POINTS_PER_SERIES,
    bucket_count,
    bucket_width,
    datetime_to_micros,
    levels_for,
    plan_bucket_slices,
    plan_slices,
)
from apps.telemetry.selectors.series_sql import (
    KNOWN_METRICS,
    PENDING_RANGES,
    RAW_POINTS,
    bucket_statement,
    percentile_statement,
)
from urfmp.common.time.local import day_limits

AGGREGATIONS = ("avg", "min", "max", "count", "first", "last", "sum")
DEFAULT_AGGREGATIONS = ("avg", "min", "max")
MAX_RAW_POINTS = 1_000_000
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
SeriesPoint = tuple[Any, ...]


class Series(msgspec.Struct):
    """A metric of a robot over a time range.

    Attributes:
        robot_id: Robot of the series.
        metric_name: Metric of the series.
        unit: UCUM code of the newest point in the range that has a unit, if any.
        resolution_seconds: Width of a bucket; 0 for raw points. Local days may differ from it.
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
        timezone: IANA name of the timezone in which buckets of days begin at midnight.
    """

    robot_ids: tuple[UUID, ...]
    metrics: tuple[str, ...]
    start: datetime
    end: datetime
    max_points: int = MAX_POINTS_PER_SERIES
    aggregations: tuple[str, ...] = DEFAULT_AGGREGATIONS
    resolution_seconds: int | None = None
    timezone: str = "UTC"

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

    Buckets start at multiples of their width in UTC, those of a week on Monday. Buckets of a day or
    more start at midnight of the query's timezone instead, so that a day may have 23 or 25 hours.
    The first and the last only contain points of the range. Rolled-up ranges are read from
    rollups, the rest from points, so the result includes every point acknowledged before the
    query. A few SQL queries, whatever the number of series.

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
    if bucket_count(query.start, query.end, width) > query.max_points + 1:
        raise SeriesTooLongError
    limits = _day_limits(query, width)
    count = len(limits) - 1 if limits else bucket_count(query.start, query.end, width)
    if count > query.max_points:
        if query.resolution_seconds is not None:
            raise SeriesTooLongError
        width, limits = _next_width(query, width)
    return _bucketed_series(query, width, limits)


def _day_limits(query: SeriesQuery, width: int) -> list[datetime]:
    """Return the limits of buckets that are local days."""
    if width < DAYS.seconds or query.timezone == "UTC":
        return []
    try:
        zone = ZoneInfo(query.timezone)
        return day_limits(query.start, query.end, zone, days=width // DAYS.seconds)
    except OverflowError:  # the first or the last days of the calendar
        return []


def _next_width(query: SeriesQuery, width: int) -> tuple[int, list[datetime]]:
    """Return the next width and its limits.

    A range may overlap one more local day than days of UTC.
    """
    width *= 2
    return width, _day_limits(query, width)


def _check_metrics(query: SeriesQuery) -> None:
    with connection.cursor() as cursor:
        cursor.execute(KNOWN_METRICS, query.parameters())
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
        cursor.execute(RAW_POINTS, {**query.parameters(), "limit": query.max_points + 1})
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


def _bucketed_series(query: SeriesQuery, width: int, limits: list[datetime]) -> list[Series]:
    found = _empty_series(query, width)
    values = {**query.parameters(), "width": width, "limits": limits}
    percentiles = [name for name in query.aggregations if parse_percentile(name)]
    with connection.cursor() as cursor:
        cursor.execute(PENDING_RANGES, values)
        pending = merge_overlapping(cursor.fetchall())
        slices = (
            plan_bucket_slices(query.start, query.end, limits, pending)
            if limits
            else plan_slices(query.start, query.end, levels_for(width), pending)
        )
        cursor.execute(bucket_statement(slices, has_limits=bool(limits)), values)
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


def merge_overlapping(ranges: Sequence[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    """Return sorted time ranges as `plan_slices` takes them, without overlaps."""
    merged: list[tuple[int, int]] = []
    for range_start, range_end in ranges:
        start, end = datetime_to_micros(range_start), datetime_to_micros(range_end)
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


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
    statement = percentile_statement(has_limits=bool(values["limits"]))
    cursor.execute(statement, {**values, "fractions": fractions})
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
