"""How the values of one metric of one robot are spread over a range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from apps.telemetry.exceptions import RangeTooLargeError
from apps.telemetry.selectors.series import MAX_RAW, SeriesQuery, series

# Counted against the edges that the answer shows: worked out otherwise, a value that lies on one
# might be rounded into the bin before it. The greatest value belongs to the last bin, and so does
# what has come in since it was looked up.
_BINS = """
    SELECT greatest(1, width_bucket(t.value, %(starts)s::float8[])) AS bin, count(*)
    FROM robot_telemetry t
    WHERE t.robot_id IN (SELECT id FROM robots WHERE id = %(robot)s)
      AND t.metric_name = %(metric)s AND t.time >= %(start)s AND t.time < %(end)s
      AND t.value IS NOT NULL
    GROUP BY 1
"""


class Bin(msgspec.Struct, frozen=True):
    """How many values lie from `start` to before `end`; in the last bin, to `end`."""

    start: float
    end: float
    count: int


class Histogram(msgspec.Struct, frozen=True):
    """The bins between the least and the greatest value; none where there is no value."""

    robot_id: UUID
    metric_name: str
    unit: str | None
    count: int
    bins: list[Bin]


@dataclass(frozen=True)
class HistogramQuery:
    """One metric of one robot from `start` to before `end`, in at most so many bins."""

    robot_id: UUID
    metric: str
    start: datetime
    end: datetime
    bins: int


def histogram(query: HistogramQuery) -> Histogram:
    """Return bins of equal width; a single one where all values are the same.

    Raises:
        RangeError: `start` is not before `end`.
        RangeTooLargeError: There are more than `MAX_RAW` points.
        UnknownMetricError: The robot has never sent the metric.
    """
    (one,) = series(
        SeriesQuery(
            (query.robot_id,), (query.metric,), query.start, query.end, 2000,
            ("count", "min", "max"),
        )
    )  # fmt: skip
    points = [point for point in one.points if point[1]]
    count = sum(point[1] for point in points)
    if count > MAX_RAW:
        msg = (
            f"A histogram is worked out from the points themselves, and there are {count:,}; "
            f"ask for a shorter range, with at most {MAX_RAW:,}."
        )
        raise RangeTooLargeError(msg)
    bins = []
    if points:
        least, greatest = min(point[2] for point in points), max(point[3] for point in points)
        bins = _single(least, count) if least == greatest else _bins(query, least, greatest)
    return Histogram(query.robot_id, query.metric, one.unit, sum(b.count for b in bins), bins)


def _single(value: float, count: int) -> list[Bin]:
    return [Bin(value, value, count)]


def _bins(query: HistogramQuery, least: float, greatest: float) -> list[Bin]:
    # Each factor is kept within the range of a double, however far apart the ends are.
    between = [
        least * (1 - number / query.bins) + greatest * (number / query.bins)
        for number in range(1, query.bins)
    ]
    # Rounding may lead past the neighbours where hardly any doubles lie between the ends.
    edges = [least, *sorted(min(max(edge, least), greatest) for edge in between), greatest]
    values: dict[str, Any] = {
        "robot": query.robot_id,
        "metric": query.metric,
        "start": query.start,
        "end": query.end,
        "starts": edges[:-1],
    }
    with connection.cursor() as cursor:
        cursor.execute(_BINS, values)
        counts = dict(cursor.fetchall())
    return [
        Bin(edges[number], edges[number + 1], counts.get(number + 1, 0))
        for number in range(query.bins)
    ]
