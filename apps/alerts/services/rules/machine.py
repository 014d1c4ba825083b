"""The states of a rule for a robot, by samples and time.

Pure: no database, no clock. The instants that matter are those of samples and deadlines: the end of
a for-duration, a keep-firing time, a severity step, a silence or a window. All samples of an
instant count before the instant is judged.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple, Self

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.rules import ClauseMeasure, NoDataAction, RuleState
from apps.alerts.protocols.program import NEVER, Program

RAISED = frozenset({RuleState.FIRING, RuleState.RECOVERING})
_MAX_DOUBLE = sys.float_info.max


class Sample(NamedTuple):
    """One value of a metric; `at` is in microseconds since 1970."""

    at: int
    metric: str
    value: float


@dataclass(frozen=True)
class Episode:
    """A time in which a rule fires.

    Attributes:
        start: When the condition had held for its duration.
        end: When it had ended for the keep-firing time; None while the rule fires.
        began: When the condition began to hold.
        severity: Highest severity.
        peak: Worst value of the clauses that compare like the first one.
        count: How often the condition began within the episode.
    """

    start: int
    end: int | None
    began: int
    severity: AlertSeverity
    peak: float | None = None
    count: int = 1

    def overlaps(self, other: Episode) -> bool:
        """Return whether two episodes have a time in common."""
        return self.start < (NEVER if other.end is None else other.end) and other.start < (
            NEVER if self.end is None else self.end
        )

    def merged(self, other: Episode) -> Episode:
        """Return an episode that covers both, with the other's values."""
        is_open = self.end is None or other.end is None
        return replace(
            other,
            start=min(self.start, other.start),
            end=None if is_open else max(self.end or 0, other.end or 0),
        )


@dataclass
class Machine:
    """The state after the instant `at`.

    Attributes:
        state: State of the rule.
        at: Last instant that was judged.
        since: When the state began.
        held: Time and value of each metric's newest sample.
        trail: Samples of each metric of a rate, back to the one before the span.
        rates: Change of each rate clause at the newest sample, by its number.
        peak: Worst value since the condition holds.
        episode: Open episode.
    """

    state: RuleState = RuleState.NORMAL
    at: int = 0
    since: int = 0
    held: dict[str, tuple[int, float]] = field(default_factory=dict)
    trail: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    peak: float | None = None
    episode: Episode | None = None

    def copy(self) -> Machine:
        """Return an independent copy."""
        trail = {metric: [*samples] for metric, samples in self.trail.items()}
        return replace(self, held={**self.held}, trail=trail, rates={**self.rates})

    def as_json(self) -> dict[str, Any]:
        """Return the machine as a JSON value."""
        return {**asdict(self), "rates": {str(key): value for key, value in self.rates.items()}}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return the machine of a JSON value."""
        episode = value["episode"]
        return cls(
            state=RuleState(value["state"]),
            at=value["at"],
            since=value["since"],
            held={name: (at, number) for name, (at, number) in value["held"].items()},
            trail={
                name: [(at, number) for at, number in samples]
                for name, samples in value["trail"].items()
            },
            rates={int(key): number for key, number in value["rates"].items()},
            peak=value["peak"],
            episode=episode_from_json(episode) if episode else None,
        )

    def next_deadline(self, program: Program) -> int:
        """Return when time alone may change the state, or NEVER."""
        due = [
            self.held[metric][0] + span for metric, span in program.silences if metric in self.held
        ]
        if self.state == RuleState.PENDING:
            due.append(self.since + program.hold)
        if self.state == RuleState.RECOVERING:
            due.append(self.since + program.keep)
        if self.episode is not None:
            due += [
                self.episode.start + step.after for step in program.steps if step.after is not None
            ]
        if program.schedule is not None and (
            self.state != RuleState.NORMAL or self._is_met(program, self.at)
        ):
            due.append(program.schedule.next_change(self.at))
        return min((instant for instant in due if instant > self.at), default=NEVER)

    def is_silent(self, program: Program, instant: int) -> bool:
        """Return whether data of a metric is missing at an instant."""
        newest = [self.held[metric][0] for metric in program.metrics if metric in self.held]
        return bool(program.silence and newest) and instant - min(newest) >= program.silence

    def advance(self, program: Program, samples: Sequence[Sample], until: int) -> list[Episode]:
        """Judge every instant up to `until`; return the episodes that ended.

        Args:
            program: Rule for the robot.
            samples: Samples after `at`, in ascending order of time.
            until: Last instant.
        """
        ended: list[Episode] = []
        position = 0
        while True:
            following = samples[position].at if position < len(samples) else NEVER
            instant = min(following, self.next_deadline(program))
            if instant > until:
                return ended
            while position < len(samples) and samples[position].at == instant:
                self.hold_sample(program, samples[position])
                position += 1
            if (episode := self.judge(program, instant)) is not None:
                ended.append(episode)

    def hold_sample(self, program: Program, sample: Sample) -> None:
        """Hold a sample's value until the next sample."""
        self.held[sample.metric] = (sample.at, sample.value)
        if not program.span:
            return
        clauses = [
            (number, clause)
            for number, clause in enumerate(program.clauses)
            if clause.measure == ClauseMeasure.RATE and clause.metric == sample.metric
        ]
        if not clauses:
            return
        trail = self.trail.setdefault(sample.metric, [])
        trail.append((sample.at, sample.value))
        while len(trail) > 1 and trail[1][0] <= sample.at - program.span:
            trail.pop(0)
        for number, clause in clauses:
            earlier = [value for at, value in trail if at <= sample.at - clause.span]
            if earlier:
                self.rates[number] = _change(earlier[-1], sample.value)
            else:
                self.rates.pop(number, None)

    def judge(self, program: Program, instant: int) -> Episode | None:
        """Change the state at an instant; return the episode that ends there."""
        self.at = instant
        is_met = self._is_met(program, instant) and (
            program.schedule is None or program.schedule.is_open(instant)
        )
        self._track_peak(program, is_met=is_met)
        if self.state == RuleState.NORMAL and is_met:
            self._enter(RuleState.PENDING)
        if self.state == RuleState.PENDING:
            if not is_met:
                self._enter(RuleState.NORMAL)
            elif instant - self.since >= program.hold:
                began = self.since
                self._enter(RuleState.FIRING)
                self.episode = Episode(
                    start=instant, end=None, began=began, severity=program.severity
                )
        elif self.state == RuleState.FIRING and not is_met:
            self._enter(RuleState.RECOVERING)
        elif self.state == RuleState.RECOVERING and is_met:
            self._enter(RuleState.FIRING)
            if self.episode is not None:
                self.episode = replace(self.episode, count=self.episode.count + 1)
        return self._update_episode(program)

    def _enter(self, state: RuleState) -> None:
        self.state, self.since = state, self.at

    def _update_episode(self, program: Program) -> Episode | None:
        """Update the open episode; end it once the keep-firing time is over."""
        if self.episode is None:
            return None
        severity = program.severity_of(self.at - self.episode.start, self.peak)
        self.episode = replace(
            self.episode,
            peak=self.peak,
            severity=max(severity, self.episode.severity, key=AlertSeverity.values.index),
        )
        if self.state == RuleState.RECOVERING and self.at - self.since >= program.keep:
            ended, self.episode = replace(self.episode, end=self.at), None
            self._enter(RuleState.NORMAL)
            return ended
        return None

    def _is_met(self, program: Program, instant: int) -> bool:
        if program.on_silence != NoDataAction.KEEP and self.is_silent(program, instant):
            return program.on_silence == NoDataAction.ALERT
        is_raised = self.state in RAISED
        results = []
        for number, clause in enumerate(program.clauses):
            held = self.held.get(clause.metric)
            if clause.measure == ClauseMeasure.NO_DATA:
                results.append(held is not None and instant - held[0] >= clause.span)
            else:
                value = self._measured(number, program)
                results.append(clause.holds(value, is_raised=is_raised))
        return program.combine(results)

    def _measured(self, number: int, program: Program) -> float | None:
        """Return what a clause compares with its threshold."""
        clause = program.clauses[number]
        if clause.measure == ClauseMeasure.RATE:
            return self.rates.get(number)
        if clause.measure == ClauseMeasure.VALUE and clause.metric in self.held:
            return self.held[clause.metric][1]
        return None

    def _track_peak(self, program: Program, *, is_met: bool) -> None:
        """Keep the worst value of clauses that compare like the first."""
        if self.state == RuleState.NORMAL:
            self.peak = None
        if not is_met:
            return
        is_raised = self.state in RAISED
        for number, clause in enumerate(program.clauses):
            value = self._measured(number, program)
            if value is None or clause.comparison != program.clauses[0].comparison:
                continue
            is_worse = self.peak is None or program.is_worse_value(value, self.peak)
            if is_worse and clause.holds(value, is_raised=is_raised):
                self.peak = value


def _change(earlier: float, later: float) -> float:
    """Return the change between two values, within a double's range.

    An infinite change could not be stored as JSON.
    """
    return max(-_MAX_DOUBLE, min(_MAX_DOUBLE, later - earlier))


def episode_from_json(value: dict[str, Any]) -> Episode:
    """Return the episode of a JSON value."""
    return Episode(**{**value, "severity": AlertSeverity(value["severity"])})
