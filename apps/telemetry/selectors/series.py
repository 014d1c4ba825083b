"""Metrics over a range, thinned to what a chart can show."""

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
    RangeError,
    RangeTooLargeError,
    SeriesTooLongError,
    UnknownMetricError,
)
from apps.telemetry.models.rollups import AGGREGATES, COLUMNS, POINT_COLUMNS, WIDE
from apps.telemetry.selectors.resolution import (
    MAX_POINTS,
    ORIGIN,
    Piece,
    bucket_count,
    levels_for,
    microseconds,
    moment,
    pieces,
    width_for,
)

AGGREGATIONS = ("avg", "min", "max", "count", "first", "last", "sum")
DEFAULT_AGGREGATIONS = ("avg", "min", "max")
MAX_RAW = 1_000_000
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
_CHUNK_OF_POINTS = 86_400
# More stretches than these are read as one, which is planned faster than many.
_MAX_ARMS = 12
# Each robot of a batch has sent each of its metrics.
_KNOWN = """
    SELECT l.metric_name FROM telemetry_latest l
    WHERE l.robot_id = ANY (%(robots)s) AND l.metric_name = ANY (%(metrics)s)
    UNION
    SELECT unnest(b.metric_names)
    FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
"""
# In whole minutes, which is the width of the finest rollup.
_PENDING = """
    SELECT DISTINCT date_trunc('minute', b.least_time, 'UTC'),
           date_trunc('minute', b.greatest_time, 'UTC') + interval '1 minute'
    FROM telemetry_batches b
    WHERE b.rolled_up_at IS NULL AND b.robot_ids && %(robots)s::uuid[]
      AND b.metric_names && %(metrics)s::varchar[]
      AND b.greatest_time >= %(start)s AND b.least_time < %(end)s
    ORDER BY 1
"""
_ASKED = """
    asked AS MATERIALIZED (
        SELECT r.id AS robot_id, m.name AS metric_name
        FROM robots r CROSS JOIN unnest(%(metrics)s::varchar[]) AS m (name)
        WHERE r.id = ANY (%(robots)s)
    )
"""
_AS_SENT = f"""
    WITH {_ASKED}
    SELECT a.robot_id, a.metric_name, t.time, t.value, t.unit
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.time >= %(start)s AND t.time < %(end)s
        ORDER BY t.time LIMIT %(limit)s
    ) AS t
    ORDER BY 1, 2, 3
"""  # noqa: S608 - constants
# One look into an index for each series and stretch. The limits of all stretches together stand
# in the statement, so that chunks beside them are not planned for.
_ARM = """
    SELECT a.robot_id, a.metric_name, s.*
    FROM asked a
    CROSS JOIN (VALUES {stretches}) AS v (least, until)
    CROSS JOIN LATERAL (
        SELECT {columns} FROM {table} t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.{time} >= v.least AND t.{time} < v.until
          AND t.{time} >= {start} AND t.{time} < {end} {condition}
        OFFSET 0
    ) AS s
"""
_BUCKETS = """
    WITH {asked}
    SELECT p.robot_id, p.metric_name,
           time_bucket(%(width)s * interval '1 second', p.first_at, %(origin)s::timestamptz),
           {aggregates}
    FROM ({arms}) AS p
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
"""
_PERCENTILES = f"""
    WITH {_ASKED}
    SELECT a.robot_id, a.metric_name,
           time_bucket(%(width)s * interval '1 second', t.time, %(origin)s::timestamptz),
           percentile_disc(%(fractions)s::float8[]) WITHIN GROUP (ORDER BY t.value)
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT t.time, t.value FROM robot_telemetry t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.time >= %(start)s AND t.time < %(end)s AND t.value IS NOT NULL
        OFFSET 0
    ) AS t
    GROUP BY 1, 2, 3
"""  # noqa: S608 - constants
Point = tuple[Any, ...]


class Series(msgspec.Struct):
    """One metric of one robot over a range.

    Attributes:
        robot_id: Whose.
        metric_name: Which metric.
        unit: UCUM code of the newest point in the range that says one, if any.
        resolution_seconds: Width of a bucket; 0 for points as they were sent.
        aggregations: What stands in a point after its time.
        points: One for each bucket that has data, oldest first: its beginning, then the
            aggregations. A bucket that is missing had no data.
    """

    robot_id: UUID
    metric_name: str
    unit: str | None
    resolution_seconds: int
    aggregations: tuple[str, ...]
    points: list[Point]


@dataclass(frozen=True)
class SeriesQuery:
    """What to read.

    Attributes:
        robot_ids: Of which robots.
        metrics: Which of their metrics.
        start: The first moment.
        end: The moment before which the range ends.
        max_points: At most so many points a series.
        aggregations: Names from `AGGREGATIONS`, or percentiles such as `p95` and `p99.9`.
        resolution_seconds: Width of a bucket, one of `RESOLUTIONS`; 0 for points as they were
            sent, None for the finest that fits.
    """

    robot_ids: tuple[UUID, ...]
    metrics: tuple[str, ...]
    start: datetime
    end: datetime
    max_points: int = MAX_POINTS
    aggregations: tuple[str, ...] = DEFAULT_AGGREGATIONS
    resolution_seconds: int | None = None

    def parameters(self) -> dict[str, Any]:
        """Return what the statements ask for."""
        return {
            "robots": list(self.robot_ids),
            "metrics": list(self.metrics),
            "start": self.start,
            "end": self.end,
            "origin": ORIGIN,
        }


def percentile_of(name: str) -> float | None:
    """Return which percentile an aggregation's name means, more than 0 and less than 100."""
    found = _PERCENTILE.fullmatch(name)
    value = float(found[1]) if found else 0.0
    return value if value > 0 else None


def series(query: SeriesQuery) -> list[Series]:
    """Return one series for each robot and metric asked for, in that order.

    Buckets begin at whole multiples of their width in UTC, those of a week on Monday. The first
    and the last hold only what lies in the range. What is rolled up is read from rollups, the rest
    from points, so the answer holds whatever was acknowledged before it was asked for. A handful
    of queries, whatever the number of series.

    Raises:
        RangeError: `start` is not before `end`.
        TooManyPointsError: There are more points than `max_points` in the resolution asked for.
        RangeTooLargeError: Percentiles would need more than `MAX_RAW` points.
        UnknownMetricError: No robot has ever sent one of the metrics.
    """
    if query.start >= query.end:
        raise RangeError
    _check_metrics(query)
    width = query.resolution_seconds
    if width is None:
        count = len(query.robot_ids) * len(query.metrics)
        width = width_for(query.start, query.end, max_points=query.max_points, series=count)
    if width <= 1 and query.resolution_seconds != 1:
        found = _as_sent(query)
        if found is not None:
            return found
        if query.resolution_seconds == 0:
            raise SeriesTooLongError
    if bucket_count(query.start, query.end, width) > query.max_points:
        raise SeriesTooLongError
    return _bucketed(query, width)


def _check_metrics(query: SeriesQuery) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, query.parameters())
        known = {name for (name,) in cursor.fetchall()}
    if unknown := [name for name in query.metrics if name not in known]:
        names = ", ".join(unknown)
        one = len(query.robot_ids) == 1
        msg = f"{'This robot has never' if one else 'None of these robots has ever'} sent {names}."
        raise UnknownMetricError(msg)


def _empty(query: SeriesQuery, width: int) -> dict[tuple[UUID, str], Series]:
    return {
        (robot_id, name): Series(robot_id, name, None, width, query.aggregations, [])
        for robot_id in query.robot_ids
        for name in query.metrics
    }


def _as_sent(query: SeriesQuery) -> list[Series] | None:
    """Return the points as they were sent; None where a series has too many."""
    answer = _empty(query, 0)
    with connection.cursor() as cursor:
        cursor.execute(_AS_SENT, {**query.parameters(), "limit": query.max_points + 1})
        rows = cursor.fetchall()
    for (robot_id, name), members in groupby(rows, key=lambda row: row[:2]):
        one = answer[robot_id, name]
        for _, _, time, value, unit in members:
            one.unit = unit or one.unit
            one.points.append((time, *(_of_one_point(name, value) for name in query.aggregations)))
        if len(one.points) > query.max_points:
            return None
    return list(answer.values())


def _of_one_point(aggregation: str, value: float | None) -> float | None:
    if aggregation == "count":
        return int(value is not None)
    return value


def _bucketed(query: SeriesQuery, width: int) -> list[Series]:
    answer = _empty(query, width)
    values = {**query.parameters(), "width": width}
    percentiles = [name for name in query.aggregations if percentile_of(name)]
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, values)
        parts = pieces(query.start, query.end, levels_for(width), _merged(cursor.fetchall()))
        cursor.execute(_statement(query, parts), values)
        rows = cursor.fetchall()
        ranked = _percentiles(cursor, values, percentiles, rows)
    makers = [_maker(name, percentiles) for name in query.aggregations]
    for robot_id, name, time, *row in rows:
        one = answer[robot_id, name]
        bucket = dict(zip(COLUMNS, row, strict=True))
        bucket["percentiles"] = ranked.get((robot_id, name, time))
        one.unit = bucket["unit"] or one.unit
        one.points.append((time, *(make(bucket) for make in makers)))
    return list(answer.values())


def _merged(stretches: Sequence[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for least, greatest in stretches:
        start, end = microseconds(least), microseconds(greatest)
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


def _statement(query: SeriesQuery, parts: Sequence[Piece]) -> str:
    """Return the statement that reads each piece from its own table, with its limits written in."""
    groups: dict[tuple[Any, int], list[Piece]] = {}
    for piece in parts:
        chunk = piece.level.chunk_seconds if piece.level else _CHUNK_OF_POINTS
        groups.setdefault((piece.level, piece.start // (chunk * 1_000_000)), []).append(piece)
    if len(groups) > _MAX_ARMS:
        groups = {}
        for piece in parts:
            groups.setdefault((piece.level, 0), []).append(piece)
    return _BUCKETS.format(
        asked=_ASKED,
        aggregates=", ".join(AGGREGATES[name] for name in COLUMNS),
        arms=" UNION ALL ".join(_arm(members) for members in groups.values()),
    )


def _arm(members: Sequence[Piece]) -> str:
    level = members[0].level
    return _ARM.format(
        stretches=", ".join(f"({_written(m.start)}, {_written(m.end)})" for m in members),
        columns=", ".join(f"t.{name}" for name in COLUMNS) if level else POINT_COLUMNS,
        table=level.table if level else "robot_telemetry",
        time="bucket" if level else "time",
        start=_written(members[0].start),
        end=_written(members[-1].end),
        condition="" if level else "AND t.value IS NOT NULL",
    )


def _written(value: int) -> str:
    return f"timestamptz '{moment(value).isoformat()}'"


def _percentiles(
    cursor: Any, values: dict[str, Any], names: Sequence[str], rows: Sequence[Any]
) -> dict[tuple[UUID, str, datetime], list[float]]:
    if not names:
        return {}
    count = sum(row[3 + COLUMNS.index("count")] for row in rows)
    if count > MAX_RAW:
        msg = (
            f"Percentiles are worked out from the points themselves, and there are {count:,}; "
            f"ask for a shorter range, with at most {MAX_RAW:,}."
        )
        raise RangeTooLargeError(msg)
    fractions = [(percentile_of(name) or 0.0) / 100 for name in names]
    cursor.execute(_PERCENTILES, {**values, "fractions": fractions})
    return {(robot_id, name, time): found for robot_id, name, time, found in cursor.fetchall()}


def _maker(name: str, percentiles: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """Return the function from a bucket to the value of an aggregation."""
    if name in percentiles:
        index = percentiles.index(name)
        return lambda bucket: bucket["percentiles"] and bucket["percentiles"][index]
    return {"avg": _average, "sum": _sum}.get(name, lambda bucket: bucket[name])


def _average(bucket: dict[str, Any]) -> float:
    count = bucket["count"]
    mean = (bucket["sum"] or 0.0) / count + (bucket["wide_sum"] or 0.0) / count * WIDE
    # Rounding may not lead out of the range of the values.
    return float(min(max(mean, bucket["min"]), bucket["max"]))


def _sum(bucket: dict[str, Any]) -> float:
    return float((bucket["sum"] or 0.0) + (bucket["wide_sum"] or 0.0) * WIDE)
