"""Sliding windows and rates, each beside a plain model."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.telemetry.selectors.prometheus.rates import CounterSample, rate
from apps.telemetry.selectors.prometheus.windows import RESULTS, Aggregate, slide

SECOND = 1_000_000


def aggregate(value):
    return Aggregate(1, float(value), 0.0, value, value, value)


@given(
    values=st.dictionaries(st.integers(0, 40), st.integers(-5, 5), max_size=25),
    ends=st.sets(st.integers(-3, 60), max_size=20).map(sorted),
    length=st.integers(1, 20),
)
def test_sliding_windows_equal_a_plain_model(values, ends, length):
    buckets = [(number, aggregate(values[number])) for number in sorted(values)]
    found = list(slide(buckets, ends, length))
    assert len(found) == len(ends)
    for end, window in zip(ends, found, strict=True):
        inside = [values[number] for number in sorted(values) if end - length <= number < end]
        if not inside:
            assert window is None
            continue
        assert {name: result(window) for name, result in RESULTS.items()} == {
            "avg_over_time": pytest.approx(sum(inside) / len(inside)),
            "min_over_time": min(inside),
            "max_over_time": max(inside),
            "sum_over_time": sum(inside),
            "count_over_time": len(inside),
            "last_over_time": inside[-1],
        }


def model_rate(samples, start, end):
    """Prometheus' formula, sample by sample."""
    inside = [sample for sample in samples if start < sample.time <= end]
    if len(inside) < 2:
        return None
    increase, previous = 0.0, inside[0].value
    for sample in inside[1:]:
        increase += sample.value if sample.value < previous else sample.value - previous
        previous = sample.value
    sampled = inside[-1].time - inside[0].time
    average = sampled / (len(inside) - 1)
    before, after = inside[0].time - start, end - inside[-1].time
    before = average / 2 if before >= average * 1.1 else before
    after = average / 2 if after >= average * 1.1 else after
    if increase > 0 and inside[0].value >= 0:
        before = min(before, sampled * inside[0].value / increase)
    return increase * (sampled + before + after) / sampled / ((end - start) / SECOND)


@given(
    times=st.sets(st.integers(0, 100), max_size=20).map(sorted),
    values=st.lists(st.integers(0, 50), min_size=20, max_size=20),
    ends=st.lists(st.integers(-5, 130), max_size=6).map(sorted),
    length=st.integers(1, 60),
)
@example(times=[0, 10, 20], values=[5, 15, 3, *[0] * 17], ends=[25], length=30)
def test_rate_equals_a_plain_model(times, values, ends, length):
    samples = [
        CounterSample(time * SECOND, float(value))
        for time, value in zip(times, values, strict=False)
    ]
    found = list(rate(samples, [end * SECOND for end in ends], length * SECOND))
    expected = [model_rate(samples, (end - length) * SECOND, end * SECOND) for end in ends]
    assert found == [None if one is None else pytest.approx(one) for one in expected]


def test_rate_of_a_steady_counter_is_exact():
    samples = [CounterSample(second * SECOND, 3.0 * second) for second in range(100, 200)]
    assert list(rate(samples, [180 * SECOND], 60 * SECOND)) == [pytest.approx(3.0)]
