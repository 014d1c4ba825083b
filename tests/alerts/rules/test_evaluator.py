"""The evaluator equals a plain model of the whole history after every arrival of samples."""

from __future__ import annotations

import json
import os
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.alerts.choices.rules import ClauseMeasure, Comparison, NoDataAction
from apps.alerts.protocols.program import MICROSECONDS, NEVER, Clause, Program
from apps.alerts.services.rules.evaluator import (
    Change,
    RuleRecord,
    evaluate,
    plan_for_clock,
    plan_for_samples,
)
from apps.alerts.services.rules.machine import Sample
from tests.alerts.rules.model import Rule, history, is_silent

EXAMPLES = int(os.environ.get("URFMP_RULE_EXAMPLES", "150"))
METRICS = ("a", "b")
LEVELS = st.integers(0, 6).map(float)


@st.composite
def clauses(draw):
    measure = draw(st.sampled_from(["value", "value", "value", "rate", "no_data"]))
    metric = draw(st.sampled_from(METRICS))
    comparison = draw(st.sampled_from([">", ">=", "<", "<=", "==", "!="]))
    threshold = draw(LEVELS)
    margin = draw(st.none() | st.integers(0, 3))
    clear = None
    if margin is not None and comparison in {">", ">="}:
        clear = threshold - margin
    elif margin is not None and comparison in {"<", "<="}:
        clear = threshold + margin
    span = 0 if measure == "value" else draw(st.integers(1, 12))
    return (measure, metric, comparison, threshold, clear, span)


@st.composite
def rules(draw):
    return Rule(
        draw(st.lists(clauses(), min_size=1, max_size=3)),
        match_all=draw(st.booleans()),
        hold=draw(st.sampled_from([0, 0, 1, 4, 15])),
        keep=draw(st.sampled_from([0, 0, 1, 5, 15])),
        silence=draw(st.sampled_from([0, 0, 1, 3, 9])),
        no_data=draw(st.sampled_from(["keep", "alert", "resolve"])),
    )


# Samples arrive in groups, in any order and again and again, at any time after they were taken.
SAMPLES = st.tuples(st.sampled_from(METRICS), st.integers(1, 60), LEVELS)
STEPS = st.lists(st.tuples(st.integers(0, 15), st.lists(SAMPLES, max_size=6)), max_size=12)


def program_of(rule):
    return Program(
        clauses=tuple(
            Clause(
                ClauseMeasure(measure), metric, Comparison(comparison), threshold, clear,
                span * MICROSECONDS,
            )
            for measure, metric, comparison, threshold, clear, span in rule.clauses
        ),
        needs_all=rule.match_all,
        hold=rule.hold * MICROSECONDS,
        keep=rule.keep * MICROSECONDS,
        silence=rule.silence * MICROSECONDS,
        on_silence=NoDataAction(rule.no_data),
    )  # fmt: skip


class Evaluated:
    """A rule whose samples are stored as the database stores them, evaluated as a worker does."""

    def __init__(self, rule):
        self.program = program_of(rule)
        self.record = RuleRecord()
        self.stored = {}
        self.latest = 0
        self.announced = []

    def arrive(self, now, samples):
        """Store samples at a time and evaluate the rule; return the transitions."""
        for metric, time, value in samples:
            self.stored.setdefault((metric, time), value)
        touched = [(m, t) for m, t, _ in samples if m in self.program.metrics]
        # The robot's clock may be ahead of the server's.
        self.latest = max([self.latest, now, *(time for _, time in touched)])
        found = []
        if touched and not self.can_skip(touched):
            least = min(time for _, time in touched) * MICROSECONDS
            found += self.evaluate(plan_for_samples(self.program, self.record, least), now)
        if (start := plan_for_clock(self.record)) is not None:
            found += self.evaluate(start, now)
        # A record survives a restart.
        self.record = RuleRecord.from_json(json.loads(json.dumps(self.record.as_json())))
        self.announced += [
            one.episode for one in found if one.change in {Change.OPENED, Change.PAST}
        ]
        return found

    def can_skip(self, touched):
        """Return whether a worker leaves out these samples by the bounds of the clauses."""
        machine = self.record.machine
        is_quiet = machine is None or (
            self.record.state == "normal" and machine.next_deadline(self.program) == NEVER
        )
        measures = {clause.measure for clause in self.program.clauses}
        if not is_quiet or self.program.silence or ClauseMeasure.NO_DATA in measures:
            return False
        return not any(
            value <= clause.bounds[0] or value >= clause.bounds[1]
            for clause in self.program.clauses
            for value in [self.stored[key] for key in touched if key[0] == clause.metric]
        )

    def evaluate(self, start, now):
        samples = sorted(
            Sample(time * MICROSECONDS, metric, value)
            for (metric, time), value in self.stored.items()
            if metric in self.program.metrics
        )
        needed = [one for one in samples if one.at > start.initial.at or not start.initial.held]
        self.record, found = evaluate(self.program, self.record, start, needed, now * MICROSECONDS)
        return found


def seconds(episode):
    end = None if episode.end is None else episode.end // MICROSECONDS
    return [episode.start // MICROSECONDS, end, episode.count]


def overlap(one, other):
    ends = [10**9 if end is None else end for end in (one[1], other[1])]
    return one[0] < ends[1] and other[0] < ends[0]


# A late sample splits a reported episode: its second part is still open.
SPLIT = Rule(
    [("value", "a", ">", 0.0, None, 0), ("value", "b", "<", 1.0, None, 0)],
    match_all=False,
    hold=0,
    keep=0,
)
# Silence begins and ends between two samples, before the clock has evaluated it.
SILENT = Rule([("no_data", "a", ">", 0.0, None, 1)], match_all=False, hold=0, keep=0)


@example(SPLIT, [(0, [("b", 1, 0.0), ("b", 4, 1.0)]), (0, [("a", 3, 1.0), ("b", 2, 1.0)])])
@example(SILENT, [(0, [("a", 1, 0.0)]), (0, [("a", 3, 0.0)])])
@settings(max_examples=EXAMPLES)
@given(rules(), STEPS)
def test_state_equals_model_after_every_arrival(rule, steps):
    evaluated, now = Evaluated(rule), 0
    for pause, samples in steps:
        now += pause
        found = evaluated.arrive(now, samples)
        state, episodes = history(rule, evaluated.stored, evaluated.latest)
        assert evaluated.record.state == state
        machine = evaluated.record.machine
        if machine is not None and rule.silence:
            silent = machine.is_silent(evaluated.program, evaluated.latest * MICROSECONDS)
            assert silent == is_silent(rule, evaluated.stored, evaluated.latest)
        is_open = evaluated.record.open_episode is not None
        assert is_open == (state in {"firing", "recovering"})
        known = [seconds(episode) for episode in evaluated.record.episodes]
        announced = [seconds(episode) for episode in evaluated.announced]
        # No breach is missed, however late its samples: each episode has an alert.
        assert all(any(overlap(one, other) for other in known) for one in episodes)
        # No alert is without cause at the time it opens.
        for one in found:
            if one.change in {Change.OPENED, Change.PAST}:
                assert any(overlap(seconds(one.episode), other) for other in episodes)
        assert len(announced) >= len(known)
        opened = [one.change for one in found if one.change in {Change.OPENED, Change.CLEARED}]
        assert all(first != second for first, second in pairwise(opened))


@settings(max_examples=EXAMPLES)
@given(rules(), st.lists(SAMPLES, max_size=25))
def test_episodes_of_punctual_samples_equal_model(rule, samples):
    evaluated = Evaluated(rule)
    for second in range(1, 80):
        evaluated.arrive(second, [one for one in samples if one[1] == second])
    _, episodes = history(rule, evaluated.stored, 79)
    assert [seconds(episode) for episode in evaluated.record.episodes] == episodes
    announced = [seconds(episode)[0] for episode in evaluated.announced]
    assert announced == [start for start, _, _ in episodes]


@settings(max_examples=EXAMPLES)
@given(rules(), st.lists(SAMPLES, max_size=25), st.randoms(use_true_random=False))
def test_order_and_repetition_of_samples_do_not_matter(rule, samples, random):
    first = {}
    for metric, time, value in samples:
        first.setdefault((metric, time), value)
    points = [(metric, time, value) for (metric, time), value in first.items()]
    ends = []
    for _ in range(2):
        shuffled = points * 2
        random.shuffle(shuffled)
        evaluated = Evaluated(rule)
        for position in range(0, len(shuffled), 4):
            evaluated.arrive(70, shuffled[position : position + 4])
        machine = evaluated.record.machine
        ends.append((evaluated.record.state, machine and machine.since, machine and machine.peak))
    if "normal" not in ends[0]:
        assert ends[0] == ends[1]
    assert ends[0][0] == ends[1][0]
