"""Choose the resolution of a series, and the source of each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from apps.telemetry.models.rollups import DAYS, HOURS, MINUTES, RollupLevel

MAX_POINTS_PER_SERIES = 2000
# A Monday, so that buckets of a week start with the week. Buckets are aligned in UTC.
BUCKET_ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)
RESOLUTIONS: dict[str, int] = {
    "raw": 0,
    "1s": 1, "2s": 2, "5s": 5, "10s": 10, "15s": 15, "30s": 30,
    "1m": 60, "2m": 120, "5m": 300, "10m": 600, "15m": 900, "30m": 1800,
    "1h": 3_600, "2h": 7_200, "3h": 10_800, "6h": 21_600, "12h": 43_200,
    "1d": 86_400, "2d": 172_800, "7d": 604_800, "14d": 1_209_600, "28d": 2_419_200,
}  # fmt: skip
_WIDTHS = sorted(RESOLUTIONS.values())[1:]
# Approximate limits of the rows that are read for one series, and for all series of a query. Beyond
# them the next coarser rollup is used. The estimate assumes one point per second.
_MAX_ROWS_PER_SERIES = 30_000
_MAX_ROWS_TOTAL = 300_000


@dataclass(frozen=True)
class TimeSlice:
    """A time range and its source.

    The source is a rollup, or the points if `level` is None. The limits are microseconds since
    `BUCKET_ORIGIN`.
    """

    level: RollupLevel | None
    start: int
    end: int


def datetime_to_micros(time: datetime) -> int:
    """Return a time as microseconds since `BUCKET_ORIGIN`, exactly."""
    return (time - BUCKET_ORIGIN) // timedelta(microseconds=1)


def micros_to_datetime(value: int) -> datetime:
    """Return the time from microseconds since `BUCKET_ORIGIN`."""
    return BUCKET_ORIGIN + timedelta(microseconds=value)


def levels_for(width: int) -> tuple[RollupLevel, ...]:
    """Return the rollups that divide buckets of this width, coarsest first."""
    return tuple(level for level in (DAYS, HOURS, MINUTES) if width and width % level.seconds == 0)


def levels_for_limits(limits: Sequence[datetime]) -> tuple[RollupLevel, ...]:
    """Return the rollups whose buckets none of the limits divides, coarsest first."""
    seconds = [limit.hour * 3600 + limit.minute * 60 + limit.second for limit in limits]
    return tuple(
        level
        for level in (DAYS, HOURS, MINUTES)
        if not any(second % level.seconds for second in seconds)
    )


def bucket_count(start: datetime, end: datetime, width: int) -> int:
    """Return the number of buckets of `width` seconds that overlap a range."""
    step = width * 1_000_000
    return -(-datetime_to_micros(end) // step) - datetime_to_micros(start) // step


def bucket_width(start: datetime, end: datetime, *, max_points: int, series: int) -> int:
    """Return the narrowest bucket width, in seconds, that respects the limits.

    Args:
        start: Start of the range.
        end: End of the range.
        max_points: Maximum number of buckets, at least two: any range may overlap two.
        series: Number of series in the query.
    """
    seconds = (end - start).total_seconds()
    rows = min(_MAX_ROWS_PER_SERIES, _MAX_ROWS_TOTAL // max(series, 1))
    for width in _WIDTHS:
        source = next((level.seconds for level in levels_for(width)), 1)
        is_last = source == DAYS.seconds
        if bucket_count(start, end, width) <= max_points and (
            is_last or seconds <= max(rows * source, width)
        ):
            return width
    width = _WIDTHS[-1]
    while bucket_count(start, end, width) > max_points:
        width *= 2
    return width


def plan_slices(
    start: datetime,
    end: datetime,
    levels: Sequence[RollupLevel],
    pending: Sequence[tuple[int, int]],
) -> list[TimeSlice]:
    """Split a range by source: the coarsest rollup that covers each part.

    Partial buckets at both ends, and ranges with pending points, are read from finer sources.

    Args:
        start: Start of the range.
        end: End of the range.
        levels: Rollups, coarsest first.
        pending: Time ranges with points that are not rolled up; sorted, without overlaps, in
            microseconds since `BUCKET_ORIGIN`.
    """
    merged: list[TimeSlice] = []
    for part in _slices(datetime_to_micros(start), datetime_to_micros(end), levels, pending):
        if merged and (merged[-1].level, merged[-1].end) == (part.level, part.start):
            merged[-1] = TimeSlice(part.level, merged[-1].start, part.end)
        else:
            merged.append(part)
    return merged


def plan_bucket_slices(
    start: datetime,
    end: datetime,
    limits: Sequence[datetime],
    pending: Sequence[tuple[int, int]],
) -> list[TimeSlice]:
    """Split a range by source, with buckets of any limits.

    Days of a zone with an offset of 30 or 45 minutes begin within an hour of UTC. So the first and
    the last hour of each bucket are read from minutes, the hours between them from hours.

    Args:
        start: Start of the range.
        end: End of the range.
        limits: Starts of the buckets in UTC, and the end of the last.
        pending: As for `plan_slices`.
    """
    levels = levels_for_limits(limits)
    if HOURS in levels:
        return plan_slices(start, end, levels, pending)
    found: list[TimeSlice] = []
    for first, last in pairwise(limits):
        lower, upper = max(first, start), min(last, end)
        bounds = datetime_to_micros(lower), datetime_to_micros(upper)
        near = [part for part in pending if part[0] < bounds[1] and part[1] > bounds[0]]
        # Limits of whole minutes: no rollup of a finer level exists.
        finer = (HOURS, MINUTES) if MINUTES in levels else ()
        found += plan_slices(lower, upper, finer, near)
    return found


def _slices(
    start: int, end: int, levels: Sequence[RollupLevel], pending: Sequence[tuple[int, int]]
) -> Iterator[TimeSlice]:
    if start >= end:
        return
    if not levels:
        yield TimeSlice(None, start, end)
        return
    level, finer = levels[0], levels[1:]
    step = level.seconds * 1_000_000
    first, last = -(-start // step) * step, end // step * step
    if first >= last:
        yield from _slices(start, end, finer, pending)
        return
    yield from _slices(start, first, finer, pending)
    for pending_start, pending_end in pending:
        lower = max(pending_start // step * step, first)
        upper = min(-(-pending_end // step) * step, last)
        if lower < upper:
            if first < lower:
                yield TimeSlice(level, first, lower)
            yield from _slices(lower, upper, finer, pending)
            first = upper
    if first < last:
        yield TimeSlice(level, first, last)
    yield from _slices(last, end, finer, pending)
