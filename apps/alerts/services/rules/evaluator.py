"""Evaluate a rule for a robot, in whatever order samples arrive.

Pure: the state of a rule, the stored samples and a time give the next state and what changed. The
result depends on which samples are stored, not on the order in which they arrived: a late sample
makes the machine run again from a copy of its earlier state. Episodes that were reported stay
reported, even if a late sample shows that the condition did not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, Self

from apps.alerts.choices.alerts import is_worse
from apps.alerts.choices.rules import RuleState
from apps.alerts.protocols.program import MICROSECONDS, NEVER, Program
from apps.alerts.services.rules.machine import Episode, Machine, Sample, episode_from_json

# Samples that are later than this do not change the current state; they can open alerts.
REPLAY_SECONDS = 600
# Samples that are later than this are not evaluated.
MAX_LATE_SECONDS = 7 * 86_400
_REPLAY = REPLAY_SECONDS * MICROSECONDS
_MAX_LATE = MAX_LATE_SECONDS * MICROSECONDS
_MAX_EPISODES = 50


class Change(StrEnum):
    """What an evaluation found."""

    OPENED = "opened"
    WORSENED = "worsened"
    RECURRED = "recurred"
    CLEARED = "cleared"
    PAST = "past"  # an episode that began and ended before it was found


class Transition(NamedTuple):
    """A change of an episode, and the episode after it."""

    change: Change
    episode: Episode


@dataclass(frozen=True)
class RuleRecord:
    """What is kept of a rule for one robot.

    Attributes:
        machine: Current state; None where nothing has happened lately.
        base: State from which the machine runs again if a sample is late.
        next_base: Later state that becomes the base when it is old enough.
        episodes: Reported episodes of the last days, oldest first; the last one may be open.
    """

    machine: Machine | None = None
    base: Machine | None = None
    next_base: Machine | None = None
    episodes: tuple[Episode, ...] = ()

    @property
    def open_episode(self) -> Episode | None:
        """The reported episode that has not ended."""
        return next((known for known in self.episodes if known.end is None), None)

    @property
    def state(self) -> RuleState:
        """The state of the machine."""
        return self.machine.state if self.machine else RuleState.NORMAL

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        machines = {"machine": self.machine, "base": self.base, "next_base": self.next_base}
        return {
            **{name: value.as_json() if value else None for name, value in machines.items()},
            "episodes": [asdict(episode) for episode in self.episodes],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return what a JSON value contains."""
        machine, base, next_base = (
            Machine.from_json(value[name]) if value[name] else None
            for name in ("machine", "base", "next_base")
        )
        episodes = tuple(episode_from_json(item) for item in value["episodes"])
        return cls(machine, base, next_base, episodes)


class Plan(NamedTuple):
    """Where an evaluation starts.

    Attributes:
        initial: State to start from. All samples after its instant are needed; if it holds no
            values, also the newest sample of each metric up to that instant.
        is_past: Whether the samples are so late that the current state is left alone.
        least_new: Time of the earliest new sample. What had ended by then, and by the last
            evaluation, is not news: it was reported, or happened before the rule was made.
    """

    initial: Machine
    is_past: bool = False
    least_new: int = 0


def plan_for_samples(program: Program, record: RuleRecord, least_new: int) -> Plan:
    """Return where to start an evaluation of new samples.

    Args:
        program: Rule for the robot.
        record: Record of the previous evaluation.
        least_new: Time of the earliest new sample.
    """
    machine, base = record.machine, record.base
    if machine is not None and base is not None:
        # A machine in its normal state has not seen samples that cannot matter.
        was_skipped = (
            machine.state == RuleState.NORMAL
            and machine.next_deadline(program) == NEVER
            and least_new - machine.at > _REPLAY
        )
        if least_new > machine.at and not was_skipped:
            return Plan(machine, least_new=least_new)
        if least_new > base.at and not was_skipped:
            return Plan(base, least_new=least_new)
        if least_new <= base.at:
            return Plan(_fresh(program, least_new), is_past=True, least_new=least_new)
    return Plan(_fresh(program, least_new), least_new=least_new)


def plan_for_clock(record: RuleRecord) -> Plan | None:
    """Return where to start without new samples; None: nowhere."""
    return Plan(record.machine) if record.machine else None


def _fresh(program: Program, least_new: int) -> Machine:
    return Machine(at=least_new - _REPLAY - min(program.hold, _REPLAY) - program.span)


def past_until(program: Program, greatest_new: int) -> int:
    """Return the end of an evaluation of past samples.

    Args:
        program: Rule for the robot.
        greatest_new: Time of the latest new sample.
    """
    return greatest_new + program.hold + program.keep + _REPLAY


def evaluate(
    program: Program,
    record: RuleRecord,
    plan: Plan,
    samples: Sequence[Sample],
    until: int,
) -> tuple[RuleRecord, list[Transition]]:
    """Return the next record, and the transitions in order.

    Args:
        program: Rule for the robot.
        record: Record of the previous evaluation.
        plan: Result of `plan_for_samples()` or `plan_for_clock()`.
        samples: Stored samples that the plan needs, in ascending order of time.
        until: Time up to which to evaluate.
    """
    machine = plan.initial.copy()
    began = machine.at
    for sample in samples:
        if sample.at <= began:
            machine.hold_sample(program, sample)
    if machine.held and not plan.initial.held:
        machine.judge(program, began)
    following = [sample for sample in samples if sample.at > began]
    # Time after the last evaluation is news too: silence before the earliest new sample.
    news_from = min(plan.least_new, record.machine.at) if record.machine else plan.least_new
    if plan.is_past:
        ended = machine.advance(program, following, until)
        if machine.episode is not None:
            ended.append(replace(machine.episode, end=until))
        known, transitions = _merge_past(list(record.episodes), ended, news_from)
        return replace(record, episodes=_recent(known, until)), transitions
    # Samples count by the robot's clock, even if it is ahead.
    until = max(until, following[-1].at) if following else until
    ended, base, next_base = _run(program, record, plan, machine, following, until)
    known, transitions = _merge(list(record.episodes), ended, machine.episode, news_from, until)
    return RuleRecord(machine, base, next_base, _recent(known, until)), transitions


def _run(
    program: Program,
    record: RuleRecord,
    plan: Plan,
    machine: Machine,
    samples: Sequence[Sample],
    until: int,
) -> tuple[list[Episode], Machine, Machine]:
    """Advance the machine; return ended episodes and the states to keep."""
    ended: list[Episode] = []
    if record.base is None or record.next_base is None or plan.initial is not record.base:
        is_new = plan.initial is not record.machine or record.base is None
        base = plan.initial if is_new else record.base
        next_base = None if is_new else record.next_base
    else:
        # The copies after the base are out of date: run up to the same instant and copy again.
        base, middle = record.base, record.next_base.at
        early = [sample for sample in samples if sample.at <= middle]
        ended, samples = machine.advance(program, early, middle), samples[len(early) :]
        next_base = machine.copy()
    ended += machine.advance(program, samples, until)
    next_base = next_base or machine.copy()
    if machine.at - next_base.at >= _REPLAY:
        base, next_base = next_base, machine.copy()
    return ended, base or plan.initial, next_base


def _merge_past(
    known: list[Episode], ended: list[Episode], news_from: int
) -> tuple[list[Episode], list[Transition]]:
    """Add ended episodes to the known ones that they overlap."""
    transitions = []
    for episode in ended:
        same = [one for one in known if one.overlaps(episode)]
        if not same and episode.end is not None and episode.end <= news_from:
            continue
        if not same:
            known.append(episode)
            transitions.append(Transition(Change.PAST, episode))
        elif all(one.end is not None for one in same):
            merged = episode
            for one in same:
                merged = one.merged(merged)
                known.remove(one)
            known.append(merged)
    return known, transitions


def _merge(
    known: list[Episode],
    ended: list[Episode],
    current: Episode | None,
    news_from: int,
    until: int,
) -> tuple[list[Episode], list[Transition]]:
    """Compare the episodes of a run with the known ones."""
    was_open = next((one for one in known if one.end is None), None)
    transitions: list[Transition] = []
    if was_open is not None:
        successors = [one for one in ended if one.overlaps(was_open)]
        is_same = current is not None and (current.start <= was_open.start or not successors)
        known.remove(was_open)
        if current is not None and is_same:
            known.append(current)
            transitions += _changes(was_open, current)
            ended = [one for one in ended if one not in successors]
        else:
            closed = was_open.merged(successors[0]) if successors else was_open
            closed = replace(closed, end=successors[0].end if successors else until)
            known.append(closed)
            transitions += _changes(was_open, closed)
            transitions.append(Transition(Change.CLEARED, closed))
            ended = [one for one in ended if one not in successors[:1]]
    known, past = _merge_past(known, ended, news_from)
    transitions += past
    if current is not None and current not in known:
        known = [*_before(current, known), current]
        transitions.append(Transition(Change.OPENED, current))
    return known, transitions


def _before(current: Episode, known: list[Episode]) -> list[Episode]:
    """Return the known episodes, ended at the start of the current one.

    They were reported and stay known, so that a later run does not report their time again.
    """
    return [
        replace(one, end=current.start) if one.overlaps(current) else one
        for one in known
        if one.start < current.start or not one.overlaps(current)
    ]


def _changes(before: Episode, after: Episode) -> list[Transition]:
    found = []
    if after.count > before.count:
        found.append(Transition(Change.RECURRED, after))
    if is_worse(after.severity, before.severity) or after.peak != before.peak:
        found.append(Transition(Change.WORSENED, after))
    return found


def _recent(known: list[Episode], until: int) -> tuple[Episode, ...]:
    kept = [one for one in known if one.end is None or one.end > until - _MAX_LATE]
    return tuple(sorted(kept, key=lambda one: one.start)[-_MAX_EPISODES:])
