"""How fine a series is, and from which rollup each part of it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.telemetry.models.rollups import DAYS, HOURS, MINUTES, Level

MAX_POINTS = 2000
# A Monday, so that buckets of a week begin as weeks do. Buckets are cut in UTC.
ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)
RESOLUTIONS: dict[str, int] = {
    "raw": 0,
    "1s": 1, "2s": 2, "5s": 5, "10s": 10, "15s": 15, "30s": 30,
    "1m": 60, "2m": 120, "5m": 300, "10m": 600, "15m": 900, "30m": 1800,
    "1h": 3_600, "2h": 7_200, "3h": 10_800, "6h": 21_600, "12h": 43_200,
    "1d": 86_400, "2d": 172_800, "7d": 604_800, "14d": 1_209_600, "28d": 2_419_200,
}  # fmt: skip
_WIDTHS = sorted(RESOLUTIONS.values())[1:]
# Of one series, and of all series of a question, at most about so many rows are read; rather than
# more, the next coarser rollup answers. Points are reckoned as one a second.
_ROWS_OF_ONE, _ROWS_OF_ALL = 30_000, 300_000


@dataclass(frozen=True)
class Piece:
    """A stretch of time and where it is read from: a rollup, or the points where `level` is None.

    The limits are microseconds since `ORIGIN`.
    """

    level: Level | None
    start: int
    end: int


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since `ORIGIN`, exactly."""
    return (time - ORIGIN) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """Return the time that is so many microseconds after `ORIGIN`."""
    return ORIGIN + timedelta(microseconds=value)


def levels_for(width: int) -> tuple[Level, ...]:
    """Return the rollups that buckets of this width are made of, the coarsest first."""
    return tuple(level for level in (DAYS, HOURS, MINUTES) if width and width % level.seconds == 0)


def bucket_count(start: datetime, end: datetime, width: int) -> int:
    """Return how many buckets of `width` seconds a range touches."""
    step = width * 1_000_000
    return -(-microseconds(end) // step) - microseconds(start) // step


def width_for(start: datetime, end: datetime, *, max_points: int, series: int) -> int:
    """Return the narrowest width of buckets, in seconds, that keeps to the limits.

    Args:
        start: Where the range begins.
        end: Where it ends.
        max_points: At most so many buckets, two or more: any range may touch two.
        series: How many series are asked for at once.
    """
    seconds = (end - start).total_seconds()
    rows = min(_ROWS_OF_ONE, _ROWS_OF_ALL // max(series, 1))
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


def pieces(
    start: datetime, end: datetime, levels: Sequence[Level], pending: Sequence[tuple[int, int]]
) -> list[Piece]:
    """Cut a range into what each rollup can answer; the ends and what is pending go further down.

    Args:
        start: Where the range begins.
        end: Where it ends.
        levels: Rollups, the coarsest first.
        pending: Stretches in which points are not rolled up, in order, without overlap, in
            microseconds since `ORIGIN`.
    """
    found: list[Piece] = []
    for piece in _cut(microseconds(start), microseconds(end), levels, pending):
        if found and (found[-1].level, found[-1].end) == (piece.level, piece.start):
            found[-1] = Piece(piece.level, found[-1].start, piece.end)
        else:
            found.append(piece)
    return found


def _cut(
    start: int, end: int, levels: Sequence[Level], pending: Sequence[tuple[int, int]]
) -> Iterator[Piece]:
    if start >= end:
        return
    if not levels:
        yield Piece(None, start, end)
        return
    level, finer = levels[0], levels[1:]
    step = level.seconds * 1_000_000
    first, last = -(-start // step) * step, end // step * step
    if first >= last:
        yield from _cut(start, end, finer, pending)
        return
    yield from _cut(start, first, finer, pending)
    for least, greatest in pending:
        lower, upper = max(least // step * step, first), min(-(-greatest // step) * step, last)
        if lower < upper:
            if first < lower:
                yield Piece(level, first, lower)
            yield from _cut(lower, upper, finer, pending)
            first = upper
    if first < last:
        yield Piece(level, first, last)
    yield from _cut(last, end, finer, pending)
