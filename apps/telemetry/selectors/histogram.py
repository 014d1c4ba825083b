"""Histograms: the distribution of a metric's values over a time range."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from apps.telemetry.exceptions import RangeTooLargeError
from apps.telemetry.selectors.series import MAX_RAW_POINTS, SeriesQuery, get_series

# Values are compared with the edges of the response: other arithmetic might round a value on an
# edge into the previous bin. The last bin includes the maximum, and values stored since it was
# read.
_COUNT_BINS = """
    SELECT greatest(1, width_bucket(t.value, %(starts)s::float8[])) AS bin, count(*)
    FROM robot_telemetry t
    WHERE t.robot_id IN (SELECT id FROM robots WHERE id = %(robot)s)
      AND t.metric_name = %(metric)s AND t.time >= %(start)s AND t.time < %(end)s
      AND t.value IS NOT NULL
    GROUP BY 1
"""


class Bin(msgspec.Struct, frozen=True):
    """The number of values from `start` to `end`.

    `end` is exclusive, except in the last bin.
    """

    start: float
    end: float
    count: int


class Histogram(msgspec.Struct, frozen=True):
    """The bins from the minimum to the maximum; empty without values."""

    robot_id: UUID
    metric_name: str
    unit: str | None
    count: int
    bins: list[Bin]


@dataclass(frozen=True)
class HistogramQuery:
    """A query for a histogram; `end` is exclusive, `bins` their maximum number."""

    robot_id: UUID
    metric: str
    start: datetime
    end: datetime
    bins: int


def get_histogram(query: HistogramQuery) -> Histogram:
    """Return bins of equal width; one if all values are equal.

    Raises:
        InvalidRangeError: `start` is not before `end`.
        RangeTooLargeError: There are more than `MAX_RAW_POINTS` points.
        UnknownMetricError: The robot has never sent the metric.
    """
    (found,) = get_series(
        SeriesQuery(
            (query.robot_id,), (query.metric,), query.start, query.end, 2000,
            ("count", "min", "max"),
        )
    )  # fmt: skip
    points = [point for point in found.points if point[1]]
    count = sum(point[1] for point in points)
    if count > MAX_RAW_POINTS:
        msg = (
            f"The range has {count:,} points. A histogram needs a range with at most "
            f"{MAX_RAW_POINTS:,}."
        )
        raise RangeTooLargeError(msg)
    bins = []
    if points:
        minimum = min(point[2] for point in points)
        maximum = max(point[3] for point in points)
        bins = (
            _single_bin(minimum, count)
            if minimum == maximum
            else _equal_width_bins(query, minimum, maximum)
        )
    return Histogram(query.robot_id, query.metric, found.unit, sum(b.count for b in bins), bins)


def _single_bin(value: float, count: int) -> list[Bin]:
    return [Bin(value, value, count)]


def _equal_width_bins(query: HistogramQuery, minimum: float, maximum: float) -> list[Bin]:
    # This cannot overflow a double, however far apart minimum and maximum are.
    inner_edges = [
        minimum * (1 - number / query.bins) + maximum * (number / query.bins)
        for number in range(1, query.bins)
    ]
    # Rounding may exceed the limits if there are hardly any doubles between them.
    inner_edges = sorted(min(max(edge, minimum), maximum) for edge in inner_edges)
    edges = [minimum, *inner_edges, maximum]
    values: dict[str, Any] = {
        "robot": query.robot_id,
        "metric": query.metric,
        "start": query.start,
        "end": query.end,
        "starts": edges[:-1],
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_BINS, values)
        counts = dict(cursor.fetchall())
    return [
        Bin(edges[number], edges[number + 1], counts.get(number + 1, 0))
        for number in range(query.bins)
    ]
