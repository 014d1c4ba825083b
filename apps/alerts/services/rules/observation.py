"""Evaluate rules that observe other things than metrics, by the clock.

What is observed becomes samples of one metric, 1 while the condition holds and 0 afterwards, which
the evaluator treats like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from apps.alerts.choices.rules import ORGANIZATION_KINDS, RuleKind
from apps.alerts.models import AlertRule, AlertRuleState
from apps.alerts.protocols.conditions import (
    CONDITION_METRIC,
    CommandForm,
    SecurityForm,
    StatusForm,
    SystemForm,
    parse_condition,
)
from apps.alerts.protocols.program import to_micros
from apps.alerts.selectors.observed import (
    Observed,
    offline_robots,
    robots_in_status,
    robots_with_commands,
    robots_with_overdue_tasks,
    security_events_since,
    waiting_since,
)
from apps.alerts.selectors.rules import assigned_rules, organization_rules, rules_of_kinds
from apps.alerts.services.rules.evaluator import Plan
from apps.alerts.services.rules.machine import Machine, Sample
from apps.alerts.services.rules.records import StoredState, states_load
from apps.alerts.services.rules.runs import Evaluation, Programs, evaluations_run_on_samples

OBSERVED_KINDS = (
    RuleKind.STATUS,
    RuleKind.CONNECTIVITY,
    RuleKind.COMMAND,
    RuleKind.MAINTENANCE,
    *ORGANIZATION_KINDS,
)


def observed_evaluate(now: datetime) -> int:
    """Evaluate the open organization's rules that observe robots; return how many changed.

    The caller holds `rules_lock()`.
    """
    rules = rules_of_kinds(OBSERVED_KINDS)
    if not rules:
        return 0
    met = {rule.pk: _observed(rule, now) for rule in rules.values()}
    rows = AlertRuleState.objects.filter(rule_id__in=list(rules))
    known = {
        (rule_id, robot_id): (value == 1.0, due)
        for rule_id, robot_id, value, due in rows.values_list(
            "rule_id", "robot_id", "value", "next_due_at"
        )
    }
    wanted = {
        *((rule_id, robot_id) for rule_id, robots in met.items() for robot_id in robots),
        *known,
    }
    changed = {key for key in wanted if _is_changed(key, met, known.get(key), now)}
    robot_ids = {robot_id for _, robot_id in changed if robot_id is not None}
    states = states_load(rules.values())
    programs, evaluations, samples = Programs(), [], {}
    assignments = [
        *assigned_rules(rules, OBSERVED_KINDS, robot_ids=robot_ids),
        *organization_rules(rules),
    ]
    for assignment in assignments:
        key = (assignment.rule.pk, assignment.robot_id)
        if key not in changed:
            continue
        stored = states.get(key, StoredState())
        since = met[assignment.rule.pk].get(assignment.robot_id)
        sample = _sample(stored, since, now)
        at = sample.at if sample else to_micros(now)
        plan = Plan(stored.record.machine or Machine(at=at - 1))
        program = programs.of(assignment)
        evaluations.append(Evaluation(assignment, program, stored, plan, to_micros(now)))
        samples[key] = [sample] if sample else []
    evaluations_run_on_samples(
        evaluations, lambda one: samples[one.assignment.rule.pk, one.robot_id]
    )
    return len(evaluations)


_SOURCES: dict[str, Callable[[], list[Observed]]] = {
    RuleKind.CONNECTIVITY: offline_robots,
    RuleKind.MAINTENANCE: robots_with_overdue_tasks,
}


def _observed(rule: AlertRule, now: datetime) -> dict[UUID | None, datetime]:
    """Return since when robots, or the organization (None), meet a rule's condition."""
    condition = parse_condition(rule.kind, rule.severity, rule.condition)
    if isinstance(condition, StatusForm):
        found = robots_in_status(condition.statuses)
    elif isinstance(condition, CommandForm):
        start = now - timedelta(seconds=condition.within_seconds)
        found = robots_with_commands(condition.outcomes, start=start, count=condition.count)
    elif isinstance(condition, SecurityForm):
        start = now - timedelta(seconds=condition.within_seconds)
        return _alone(security_events_since(condition.events, start=start, count=condition.count))
    elif isinstance(condition, SystemForm):
        limit = now - timedelta(seconds=condition.threshold_seconds)
        oldest = waiting_since(condition.measure)
        return _alone(oldest if oldest is not None and oldest <= limit else None)
    else:
        found = _SOURCES[rule.kind]()
    return {one.robot_id: one.since for one in found}


def _alone(since: datetime | None) -> dict[UUID | None, datetime]:
    return {} if since is None else {None: since}


def _is_changed(
    key: tuple[UUID, UUID | None],
    met: dict[UUID, dict[UUID | None, datetime]],
    known: tuple[bool, datetime | None] | None,
    now: datetime,
) -> bool:
    """Return whether a condition began or ended, or a deadline is due."""
    rule_id, robot_id = key
    was_met, due = known or (False, None)
    return (robot_id in met[rule_id]) != was_met or (due is not None and due <= now)


def _sample(stored: StoredState, since: datetime | None, now: datetime) -> Sample | None:
    """Return the sample of a condition that has begun or ended."""
    machine = stored.record.machine
    held = machine.held.get(CONDITION_METRIC) if machine else None
    was_met = held is not None and held[1] == 1.0
    if (since is not None) == was_met:
        return None
    earliest = machine.at + 1 if machine else 0
    at = max(to_micros(now if since is None else min(since, now)), earliest)
    return Sample(at, CONDITION_METRIC, 0.0 if since is None else 1.0)
