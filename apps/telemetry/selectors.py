"""Telemetry out: latest values and series."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import DataError, connection, transaction

from urfmp.common.exceptions import ApplicationError

MAX_POINTS = 2000

# One index probe for each metric that a robot has, however many points it has: the next metric
# name after the one before, and of each the last row.
_LATEST = """
    WITH RECURSIVE
    asked AS (SELECT id FROM robots WHERE id = ANY (%s)),
    names (robot_id, metric_name) AS (
        SELECT asked.id, (
            SELECT t.metric_name FROM robot_telemetry t WHERE t.robot_id = asked.id
            ORDER BY t.metric_name LIMIT 1)
        FROM asked
        UNION ALL
        SELECT names.robot_id, (
            SELECT t.metric_name FROM robot_telemetry t
            WHERE t.robot_id = names.robot_id AND t.metric_name > names.metric_name
            ORDER BY t.metric_name LIMIT 1)
        FROM names WHERE names.metric_name IS NOT NULL
    )
    SELECT names.robot_id, names.metric_name, last.time, last.value, last.unit
    FROM names
    CROSS JOIN LATERAL (
        SELECT t.time, t.value, t.unit FROM robot_telemetry t
        WHERE t.robot_id = names.robot_id AND t.metric_name = names.metric_name
        ORDER BY t.time DESC LIMIT 1
    ) AS last
    ORDER BY names.robot_id, names.metric_name
"""

_RAW = """
    SELECT metric_name, time, value, value, value, unit FROM robot_telemetry
    WHERE robot_id IN (SELECT id FROM robots WHERE id = %(robot_id)s)
      AND metric_name = ANY (%(metrics)s) AND time >= %(start)s AND time < %(end)s
    ORDER BY metric_name, time
"""

# Adding up, and squaring, values beyond 1e154 leaves the range of a double, which PostgreSQL takes
# for an error. Scaled by a power of two, which loses no digit, they stay within it; beside such
# values those below 1e-100 count as nothing.
_SCALED = "CASE WHEN abs(value) > 1e-100 THEN value * power(2::float8, -600) ELSE 0 END"
_FAST_AVERAGE = "avg(value)"
_WIDE_AVERAGE = (
    f"greatest(least(avg({_SCALED}), max({_SCALED})), min({_SCALED})) * power(2::float8, 600)"
)
_BUCKETS = """
    SELECT metric_name, time_bucket(%(width)s * interval '1 second', time, %(start)s) AS bucket,
           {average}, min(value), max(value), last(unit, time)
    FROM robot_telemetry
    WHERE robot_id IN (SELECT id FROM robots WHERE id = %(robot_id)s)
      AND metric_name = ANY (%(metrics)s) AND time >= %(start)s AND time < %(end)s
    GROUP BY metric_name, bucket
    ORDER BY metric_name, bucket
"""


class UnknownMetricError(ApplicationError):
    """This robot has never sent this metric."""

    code = "unknown_metric"
    status = 400  # type: ignore[assignment]


class RangeError(ApplicationError):
    """The start of a range lies before its end."""

    code = "invalid_range"
    status = 400  # type: ignore[assignment]


class LatestValue(msgspec.Struct, frozen=True):
    """The newest point of one metric; `unit` is a UCUM code."""

    robot_id: UUID
    metric_name: str
    time: datetime
    value: float | None
    unit: str | None


class Series(msgspec.Struct):
    """One metric over a range.

    Attributes:
        metric_name: Which metric.
        unit: UCUM code of the newest point in the range, if any.
        resolution_seconds: Width of a bucket; 0 for points as they were sent.
        points: `(time, average, least, greatest)` a bucket that has data, oldest first; a
            bucket's time is its beginning.
    """

    metric_name: str
    unit: str | None
    resolution_seconds: int
    points: list[tuple[datetime, float | None, float | None, float | None]]


@dataclass(frozen=True)
class SeriesQuery:
    """What to read: one robot's metrics from `start` to before `end`, at most `max_points` each."""

    robot_id: UUID
    metrics: tuple[str, ...]
    start: datetime
    end: datetime
    max_points: int = MAX_POINTS


def latest_values(robot_ids: Iterable[UUID]) -> list[LatestValue]:
    """Return the newest point of every metric of the robots, in one query.

    Robots of other organizations have none.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [list(robot_ids)])
        return [LatestValue(*row) for row in cursor.fetchall()]


def metric_names(robot_id: UUID) -> list[str]:
    """Return the names of all metrics that a robot has ever sent, in order."""
    return [value.metric_name for value in latest_values([robot_id])]


def series(query: SeriesQuery) -> list[Series]:
    """Return one series for each metric asked for, in that order.

    Buckets are the narrowest whole seconds that keep to `max_points`; where that is one second
    and the points are few enough, they come as they were sent. Peaks stay visible as least and
    greatest.

    Raises:
        RangeError: `start` is not before `end`.
        UnknownMetricError: The robot has never sent one of the metrics.
    """
    if query.start >= query.end:
        raise RangeError
    known = set(metric_names(query.robot_id))
    if unknown := [name for name in query.metrics if name not in known]:
        msg = f"This robot has never sent {', '.join(unknown)}."
        raise UnknownMetricError(msg)
    width = math.ceil((query.end - query.start).total_seconds() / query.max_points)
    if width <= 1:
        answer = _read(_RAW, query, 0)
        if all(len(one.points) <= query.max_points for one in answer):
            return answer
    try:
        with transaction.atomic():
            return _read(_BUCKETS.format(average=_FAST_AVERAGE), query, width)
    except DataError:
        return _read(_BUCKETS.format(average=_WIDE_AVERAGE), query, width)


def _read(sql: str, query: SeriesQuery, width: int) -> list[Series]:
    answer = {name: Series(name, None, width, []) for name in query.metrics}
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "robot_id": query.robot_id,
                "metrics": list(query.metrics),
                "start": query.start,
                "end": query.end,
                "width": width,
            },
        )
        for name, time, average, least, greatest, unit in cursor.fetchall():
            one = answer[name]
            one.unit = unit or one.unit
            one.points.append((time, average, least, greatest))
    return list(answer.values())
