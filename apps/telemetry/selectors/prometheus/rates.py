"""The per-second increase of a counter, by the formula of Prometheus.

Source: Prometheus, documentation of `rate`, and its function `extrapolatedRate`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

# A window whose first or last point is further from its limit than this many average intervals does
# not reach the limit: the series began or ended inside of it.
_MAX_GAP_INTERVALS = 1.1


class CounterSample(NamedTuple):
    """A counter's value; the time is microseconds since 1970."""

    time: int
    value: float


def rate(
    samples: Sequence[CounterSample], ends: Sequence[int], length: int
) -> Iterator[float | None]:
    """Yield the increase per second in each window.

    It is None for a window with less than two points. A value below the previous one is a reset:
    the counter began again at 0.

    Args:
        samples: All samples, by time.
        ends: Ends of the windows in microseconds, which belong to them.
        length: Length of each window in microseconds; its start does not belong to it.
    """
    times = [sample.time for sample in samples]
    resets = [
        number
        for number, (previous, sample) in enumerate(pairwise(samples), start=1)
        if sample.value < previous.value
    ]
    for end in ends:
        first, last = bisect_right(times, end - length), bisect_right(times, end) - 1
        if last <= first:
            yield None
            continue
        increase = samples[last].value - samples[first].value
        for reset in resets[bisect_right(resets, first) : bisect_left(resets, last + 1)]:
            increase += samples[reset - 1].value
        start = end - length
        seconds = _covered_seconds(
            samples[first], samples[last], last - first, increase, start, end
        )
        yield increase * seconds[1] / seconds[0] / (length / 1e6)


def _covered_seconds(
    first: CounterSample,
    last: CounterSample,
    intervals: int,
    increase: float,
    start: int,
    end: int,
) -> tuple[float, float]:
    """Return the seconds between the samples, and the extrapolated seconds."""
    sampled = (last.time - first.time) / 1e6
    average = sampled / intervals
    before, after = (first.time - start) / 1e6, (end - last.time) / 1e6
    if before >= average * _MAX_GAP_INTERVALS:
        before = average / 2
    if increase > 0 and first.value >= 0:
        # A counter is not extended to before the time at which it would have been 0.
        before = min(before, sampled * (first.value / increase))
    if after >= average * _MAX_GAP_INTERVALS:
        after = average / 2
    return sampled, sampled + before + after
