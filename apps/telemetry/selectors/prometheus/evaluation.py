"""Evaluate expressions at one time, or at the steps of a range.

A window ends at the evaluation time and includes it, but not its start, as in Prometheus. Windows
over more points than `MAX_RAW_ROWS` are read from rollups: their ends are then rounded down to
whole minutes, hours or days, and a point on a limit belongs to the window that begins there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from apps.telemetry.exceptions import QueryTooLargeError
from apps.telemetry.models.rollups import COLUMNS, DAYS, HOURS, MINUTES
from apps.telemetry.selectors.prometheus.expressions import (
    NAME_LABEL,
    RATE,
    Expression,
    FunctionCall,
    Scalar,
    Selector,
)
from apps.telemetry.selectors.prometheus.labels import LabelledSeries
from apps.telemetry.selectors.prometheus.rates import CounterSample, rate
from apps.telemetry.selectors.prometheus.windows import RESULTS, Aggregate, slide
from apps.telemetry.selectors.resolution import levels_for, plan_slices
from apps.telemetry.selectors.series import merge_overlapping
from apps.telemetry.selectors.series_sql import PENDING_RANGES, REQUESTED_PAIRS, bucket_statement

# A selector without a range finds the newest value of this time, or of a step, if that is longer.
LOOKBACK_MS = 300_000
MAX_SERIES = 200
MAX_STEPS = 11_000
# Values in one answer.
MAX_VALUES = 250_000
# Rows that are read for one answer, at about 1 kB of this process each. Queries that would read
# more points, at one per second and series, are answered from rollups.
MAX_ROWS = 300_000
MAX_RAW_ROWS = 300_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RAW_POINTS = f"""
    WITH {REQUESTED_PAIRS}
    SELECT a.robot_id, a.metric_name, t.time, t.value
    FROM requested a
    CROSS JOIN LATERAL (
        SELECT t.time, t.value FROM robot_telemetry t
        WHERE t.robot_id = a.robot_id AND t.metric_name = a.metric_name
          AND t.time > %(start)s AND t.time <= %(end)s AND t.value IS NOT NULL
        ORDER BY t.time LIMIT %(limit)s
    ) AS t
    ORDER BY 1, 2, 3 LIMIT %(limit)s
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Steps:
    """Evaluation times in milliseconds since 1970: `start`, and every `step` until `end`."""

    start: int
    end: int
    step: int

    @property
    def count(self) -> int:
        """Number of evaluation times."""
        return (self.end - self.start) // self.step + 1

    def __iter__(self) -> Iterator[int]:
        """Return the evaluation times."""
        return iter(range(self.start, self.end + 1, self.step))


@dataclass(frozen=True)
class EvaluatedSeries:
    """Labels, and the evaluation times (milliseconds) that have a value."""

    labels: dict[str, str]
    values: list[tuple[int, float]]


def evaluate(
    expression: Expression, series: Sequence[LabelledSeries], steps: Steps
) -> list[EvaluatedSeries]:
    """Evaluate an expression for the series that its selector has found.

    Series without any value are left out.

    Raises:
        QueryTooLargeError: More series, values or rows than `MAX_SERIES`, `MAX_VALUES`, `MAX_ROWS`.
    """
    if isinstance(expression, Scalar):
        return [EvaluatedSeries({}, [(at, expression.value) for at in steps])]
    if len(series) > MAX_SERIES:
        msg = f"The selector finds more than {MAX_SERIES} series. Add matchers of labels."
        raise QueryTooLargeError(msg)
    if len(series) * steps.count > MAX_VALUES:
        raise QueryTooLargeError
    if not series:
        return []
    function, selector = (
        (expression.function, expression.selector)
        if isinstance(expression, FunctionCall)
        else ("last_over_time", expression)
    )
    evaluator = _rates if function == RATE else _aggregates
    found = evaluator(function, selector, series, steps)
    keeps_name = function == "last_over_time"
    return [
        EvaluatedSeries(
            {name: text for name, text in one.labels.items() if keeps_name or name != NAME_LABEL},
            values,
        )
        for one in series
        if (values := found.get((one.robot_id, one.metric_name)))
    ]


Values = dict[tuple[UUID, str], list[tuple[int, float]]]


def _aggregates(
    function: str, selector: Selector, series: Sequence[LabelledSeries], steps: Steps
) -> Values:
    is_instant = steps.start == steps.end
    length = selector.range_ms or max(LOOKBACK_MS, 0 if is_instant else steps.step)
    ends = [at - selector.offset_ms for at in steps]
    unit = _resolution_ms(len(series), ends[-1] - ends[0] + length, length)
    if unit > 1:
        ends = [end // unit * unit for end in ends]
        length = length // unit * unit
    # Bucket limits are the starts and ends of all windows.
    width = math.gcd(length, *(end - ends[0] for end in ends))
    first = ends[0] - length
    rows = _read_buckets(series, first, ends[-1], width, is_raw=unit == 1)
    numbers = [(end - first) // width for end in ends]
    result = RESULTS[function]
    found: Values = {}
    for key, members in groupby(rows, key=lambda row: (row[0], row[1])):
        windows = slide(
            ((number, aggregate) for _, _, number, aggregate in members), numbers, length // width
        )
        found[key] = [
            (at, result(window)) for at, window in zip(steps, windows, strict=True) if window
        ]
    return found


def _resolution_ms(series: int, span: int, length: int) -> int:
    """Return the width of the finest rollup; 1 for points."""
    seconds = series * span / 1000
    if seconds <= MAX_RAW_ROWS:
        return 1
    for level in (MINUTES, HOURS, DAYS):
        if seconds / level.seconds <= MAX_ROWS and length >= level.seconds * 1000:
            return level.seconds * 1000
    raise QueryTooLargeError


def _read_buckets(
    series: Sequence[LabelledSeries], start: int, end: int, width: int, *, is_raw: bool
) -> Iterator[tuple[UUID, str, int, Aggregate]]:
    """Yield buckets: robot, metric, number and aggregates.

    Args:
        series: Series to read.
        start: Start of the first bucket, in milliseconds since 1970.
        end: End of the last bucket.
        width: Width of a bucket in milliseconds.
        is_raw: Whether to read points alone, with the end of a bucket included and its start not.
    """
    # Times are whole microseconds, so this moves points on a limit into the earlier bucket.
    origin, until = (_time(at) + timedelta(microseconds=is_raw) for at in (start, end))
    values: dict[str, Any] = {
        "robots": [one.robot_id for one in series],
        "metrics": [one.metric_name for one in series],
        "start": origin,
        "end": until,
        "origin": origin,
        "width": width / 1000,
        "limit": MAX_ROWS + 1,
    }
    levels = [
        level
        for level in (() if is_raw or width % 1000 else levels_for(width // 1000))
        if not start % (level.seconds * 1000)
    ]
    with connection.cursor() as cursor:
        pending: list[tuple[int, int]] = []
        if levels:
            cursor.execute(PENDING_RANGES, values)
            pending = merge_overlapping(cursor.fetchall())
        slices = plan_slices(origin, until, levels, pending)
        statement = bucket_statement(slices, has_limits=False, requested=REQUESTED_PAIRS)
        cursor.execute(f"{statement} LIMIT %(limit)s", values)
        rows = cursor.fetchall()
        if len(rows) > MAX_ROWS:
            raise QueryTooLargeError
        for robot_id, metric_name, time, *row in rows:
            bucket = dict(zip(COLUMNS, row, strict=True))
            number = (time - origin) // timedelta(milliseconds=width)
            yield (
                robot_id,
                metric_name,
                number,
                Aggregate(
                    bucket["count"],
                    bucket["sum"] or 0.0,
                    bucket["wide_sum"] or 0.0,
                    bucket["min"],
                    bucket["max"],
                    bucket["last"],
                ),
            )


def _rates(
    function: str, selector: Selector, series: Sequence[LabelledSeries], steps: Steps
) -> Values:
    length = selector.range_ms or 0
    ends = [at - selector.offset_ms for at in steps]
    values: dict[str, Any] = {
        "robots": [one.robot_id for one in series],
        "metrics": [one.metric_name for one in series],
        "start": _time(ends[0] - length),
        "end": _time(ends[-1]),
        "limit": MAX_RAW_ROWS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RAW_POINTS, values)
        rows = cursor.fetchall()
    if len(rows) > MAX_RAW_ROWS:
        msg = (
            f"{function} reads every point, at most {MAX_RAW_ROWS:,}. Choose a shorter range or "
            "fewer series."
        )
        raise QueryTooLargeError(msg)
    found: Values = {}
    for key, members in groupby(rows, key=lambda row: (row[0], row[1])):
        samples = [CounterSample(_micros(time), value) for _, _, time, value in members]
        rates = rate(samples, [end * 1000 for end in ends], length * 1000)
        found[key] = [
            (at, value) for at, value in zip(steps, rates, strict=True) if value is not None
        ]
    return found


def _time(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
