"""Aggregates of a window that slides over buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from apps.telemetry.models.rollups import WIDE_SCALE


class Aggregate(NamedTuple):
    """Aggregates of consecutive points; sums as in rollups."""

    point_count: int
    sum: float
    wide_sum: float
    min: float
    max: float
    last: float

    def merge(self, later: Aggregate) -> Aggregate:
        """Return the aggregates of these points and of later ones."""
        return Aggregate(
            self.point_count + later.point_count,
            self.sum + later.sum,
            self.wide_sum + later.wide_sum,
            min(self.min, later.min),
            max(self.max, later.max),
            later.last,
        )


def _total(found: Aggregate) -> float:
    return found.sum + found.wide_sum * WIDE_SCALE


def _average(found: Aggregate) -> float:
    mean = found.sum / found.point_count + found.wide_sum / found.point_count * WIDE_SCALE
    return min(max(mean, found.min), found.max)  # rounding must not exceed the values


RESULTS: dict[str, Callable[[Aggregate], float]] = {
    "avg_over_time": _average,
    "min_over_time": lambda found: found.min,
    "max_over_time": lambda found: found.max,
    "sum_over_time": _total,
    "count_over_time": lambda found: float(found.point_count),
    "last_over_time": lambda found: found.last,
}


def slide(
    buckets: Iterable[tuple[int, Aggregate]], ends: Iterable[int], length: int
) -> Iterator[Aggregate | None]:
    """Yield the aggregates of each window, None for an empty one.

    A queue of two stacks: each bucket is merged twice, whatever the length of the window. A running
    sum, from which old buckets are subtracted, would lose precision.

    Args:
        buckets: Buckets by number, ascending; the numbers without points are left out.
        ends: Number of the bucket after each window, ascending.
        length: Number of buckets in a window.
    """
    source = iter(buckets)
    upcoming = next(source, None)
    # The older part of the window, each with the aggregate from it to the part's end, oldest last.
    older: list[tuple[int, Aggregate]] = []
    newer: list[tuple[int, Aggregate]] = []
    newer_total: Aggregate | None = None
    for end in ends:
        while upcoming is not None and upcoming[0] < end:
            newer.append(upcoming)
            newer_total = upcoming[1] if newer_total is None else newer_total.merge(upcoming[1])
            upcoming = next(source, None)
        first = end - length
        while older and older[-1][0] < first:
            older.pop()
        if not older:
            total: Aggregate | None = None
            while newer:
                number, found = newer.pop()
                if number < first:
                    newer.clear()
                    break
                total = found if total is None else found.merge(total)
                older.append((number, total))
            newer_total = None
        if older and newer_total is not None:
            yield older[-1][1].merge(newer_total)
        else:
            yield older[-1][1] if older else newer_total
