"""A plain model of rules: every second of the history is judged, from the first to the last."""

from __future__ import annotations

import operator
from dataclasses import dataclass

COMPARE = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass
class Rule:
    """Clauses are (measure, metric, comparison, threshold, clear, span); times are seconds."""

    clauses: list
    match_all: bool = True
    hold: int = 0
    keep: int = 0
    silence: int = 0
    no_data: str = "keep"


def newest(samples, metric, at):
    """Return time and value of the newest sample up to a second, or None."""
    times = [time for name, time in samples if name == metric and time <= at]
    return (max(times), samples[metric, max(times)]) if times else None


def clause_is_met(clause, samples, at, is_raised):
    measure, metric, comparison, threshold, clear, span = clause
    last = newest(samples, metric, at)
    if last is None:
        return False
    if measure == "no_data":
        return at - last[0] >= span
    value = last[1]
    if measure == "rate":
        before = newest(samples, metric, last[0] - span)
        if before is None:
            return False
        value = last[1] - before[1]
    limit = clear if is_raised and clear is not None else threshold
    return COMPARE[comparison](value, limit)


def is_silent(rule, samples, at):
    """Return whether data of one of the metrics is missing at a second."""
    last = [newest(samples, metric, at) for metric in {clause[1] for clause in rule.clauses}]
    return rule.silence > 0 and any(one is not None and at - one[0] >= rule.silence for one in last)


def history(rule, samples, until):
    """Return the state at a second, and the episodes up to it as [start, end or None, count]."""
    state, since, episodes = "normal", 0, []
    for second in range(until + 1):
        met = [
            clause_is_met(clause, samples, second, state in {"firing", "recovering"})
            for clause in rule.clauses
        ]
        is_met = all(met) if rule.match_all else any(met)
        if rule.no_data != "keep" and is_silent(rule, samples, second):
            is_met = rule.no_data == "alert"
        if state == "normal" and is_met:
            state, since = "pending", second
        if state == "pending" and not is_met:
            state = "normal"
        if state == "pending" and second - since >= rule.hold:
            state = "firing"
            episodes.append([second, None, 1])
        if state == "firing" and not is_met:
            state, since = "recovering", second
        if state == "recovering" and is_met:
            state = "firing"
            episodes[-1][2] += 1
        if state == "recovering" and second - since >= rule.keep:
            state = "normal"
            episodes[-1][1] = second
    return state, episodes
