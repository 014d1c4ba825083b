"""Evaluate rules on new points, and by the clock.

A worker evaluates an organization at a time, in one transaction under `rules_lock()`: it claims the
work items of new points, reads what the states of rules need, and stores states and alerts
together. After a crash everything is as before, and the next worker claims the same items.

Most series never come near a limit. One statement finds those whose new values may meet a rule, or
whose robot has a rule that is not normal; only their points are read.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from apps.alerts.choices.rules import RuleKind, RuleState
from apps.alerts.models import AlertRule, AlertRuleState
from apps.alerts.protocols.program import NEVER, Program, to_datetime, to_micros
from apps.alerts.selectors.rules import Assignment, assigned_rules, rules_of_kinds
from apps.alerts.selectors.samples import (
    SuspiciousSeries,
    silent_series,
    suspicious_series,
)
from apps.alerts.services.rules.alerts import raise_alert
from apps.alerts.services.rules.evaluator import (
    MAX_LATE_SECONDS,
    Plan,
    RuleRecord,
    past_until,
    plan_for_clock,
    plan_for_samples,
)
from apps.alerts.services.rules.observation import observed_evaluate
from apps.alerts.services.rules.records import (
    StoredState,
    rules_lock,
    states_load,
)
from apps.alerts.services.rules.runs import (
    AHEAD,
    Evaluation,
    Programs,
    evaluations_run,
    rule_program,
)
from apps.telemetry.services.pending_work import (
    Consumer,
    pending_work_acknowledge,
    pending_work_claim,
)
from urfmp.common.tenancy.context import audit_action, tenant_transaction

logger = logging.getLogger(__name__)

_METRIC = (RuleKind.METRIC,)


def evaluate_new_points(
    organization_id: UUID, *, now: datetime | None = None, max_items: int = 2000
) -> int:
    """Evaluate rules on new points; return the number of processed work items.

    Does nothing while another worker evaluates the organization.

    Args:
        organization_id: Organization that owns the points.
        now: Time up to which to evaluate; default: the current time.
        max_items: Maximum number of work items.
    """
    with tenant_transaction(organization_id):
        if not rules_lock(organization_id):
            return 0
        rules = rules_of_kinds(_METRIC)
        items = pending_work_claim(Consumer.EVALUATED, max_items=max_items)
        bounds = metric_bounds(rules.values())
        if bounds and items:
            now = now or timezone.now()
            found = suspicious_series(
                [item.id for item in items],
                bounds,
                start=now - timedelta(seconds=MAX_LATE_SECONDS),
                end=now + AHEAD,
            )
            evaluate_series(rules, found, now)
        pending_work_acknowledge(Consumer.EVALUATED, items)
        return len(items)


def metric_bounds(rules: Iterable[AlertRule]) -> dict[str, tuple[float, float]]:
    """Return the values between which no rule is met, by metric."""
    bounds: dict[str, tuple[float, float]] = {}
    for rule in rules:
        for clause in rule_program(rule).clauses:
            low, high = bounds.get(clause.metric, (float("-inf"), float("inf")))
            own_low, own_high = clause.bounds
            bounds[clause.metric] = (max(low, own_low), min(high, own_high))
    return bounds


def evaluate_series(
    rules: dict[UUID, AlertRule], found: Collection[SuspiciousSeries], now: datetime
) -> None:
    """Evaluate the rules of series with new points."""
    series: defaultdict[UUID | None, dict[str, SuspiciousSeries]] = defaultdict(dict)
    for one in found:
        series[one.robot_id][one.metric_name] = one
    assignments = assigned_rules(rules, _METRIC, robot_ids=series)
    states = states_load(rules.values(), series)
    programs = Programs()
    evaluations: list[Evaluation] = []
    for assignment in assignments:
        program = programs.of(assignment)
        new = [series[assignment.robot_id].get(metric) for metric in program.metrics]
        touched = [one for one in new if one is not None]
        stored = states.get((assignment.rule.pk, assignment.robot_id), StoredState())
        if touched and not _is_irrelevant(program, stored, touched):
            evaluations += _evaluations(assignment, program, stored, touched, now)
    evaluations_run(evaluations, now)


def _is_irrelevant(
    program: Program, stored: StoredState, touched: Collection[SuspiciousSeries]
) -> bool:
    """Return whether new values cannot begin a rule that is quiet."""
    machine = stored.record.machine
    if machine is not None and (
        machine.state != RuleState.NORMAL
        or machine.next_deadline(program) != NEVER
        or machine.is_silent(program, machine.at)
    ):
        return False
    values = {one.metric_name: one for one in touched}
    for clause in program.clauses:
        one = values.get(clause.metric)
        if one is None or one.low is None or one.high is None:
            continue
        low, high = clause.bounds
        if one.low <= low or one.high >= high:
            return False
    return True


def _evaluations(
    assignment: Assignment,
    program: Program,
    stored: StoredState,
    touched: Collection[SuspiciousSeries],
    now: datetime,
) -> list[Evaluation]:
    """Return the evaluations of new points, present and past."""
    least = to_micros(max(min(one.least for one in touched), now - _max_late()))
    greatest = to_micros(max(one.greatest for one in touched))
    until = to_micros(now) - program.grace
    plan = plan_for_samples(program, stored.record, least)
    if not plan.is_past:
        return [Evaluation(assignment, program, stored, plan, until)]
    machine, base = stored.record.machine, stored.record.base
    past = Evaluation(assignment, program, stored, plan, past_until(program, greatest))
    if machine is None or base is None or greatest <= base.at:
        return [past]
    return [past, Evaluation(assignment, program, stored, Plan(base, least_new=least), until)]


def _max_late() -> timedelta:
    return timedelta(seconds=MAX_LATE_SECONDS)


def evaluate_by_clock(organization_id: UUID, now: datetime | None = None) -> int:
    """Evaluate what time alone changes; return the number of evaluations.

    For-durations, keep-firing times, severity steps and windows are due; data is missing; alerts
    of a robot are not held back any more.
    """
    with tenant_transaction(organization_id):
        if not rules_lock(organization_id):
            return 0
        now = now or timezone.now()
        rules = rules_of_kinds(_METRIC)
        evaluations = _due_evaluations(rules, now) + _silent_evaluations(rules, now)
        evaluations_run(evaluations, now)
        observed = observed_evaluate(now)
        return len(evaluations) + observed + held_alerts_open()


def _due_evaluations(rules: dict[UUID, AlertRule], now: datetime) -> list[Evaluation]:
    due = AlertRuleState.objects.filter(next_due_at__lte=now, rule_id__in=list(rules))
    keys = set(due.exclude(robot=None).values_list("rule_id", "robot_id"))
    if not keys:
        return []
    robot_ids = {robot_id for _, robot_id in keys}
    states = states_load(rules.values(), robot_ids)
    programs, evaluations = Programs(), []
    for assignment in assigned_rules(rules, _METRIC, robot_ids=robot_ids):
        key = (assignment.rule.pk, assignment.robot_id)
        stored = states.get(key)
        plan = plan_for_clock(stored.record) if stored and key in keys else None
        if stored is not None and plan is not None:
            program = programs.of(assignment)
            until = to_micros(now) - program.grace
            evaluations.append(Evaluation(assignment, program, stored, plan, until))
    return evaluations


def _silent_evaluations(rules: dict[UUID, AlertRule], now: datetime) -> list[Evaluation]:
    """Return the evaluations of series that have fallen silent."""
    shortest: dict[str, datetime] = {}
    for rule in rules.values():
        program = rule_program(rule)
        for metric, span in program.silences:
            limit = to_datetime(to_micros(now) - span - program.grace)
            shortest[metric] = max(shortest.get(metric, limit), limit)
    if not shortest:
        return []
    silent: defaultdict[UUID | None, dict[str, datetime]] = defaultdict(dict)
    for robot_id, metric, time in silent_series(shortest, now - _max_late()):
        silent[robot_id][metric] = time
    states = states_load(rules.values(), silent)
    programs, evaluations = Programs(), []
    for assignment in assigned_rules(rules, _METRIC, robot_ids=silent):
        program = programs.of(assignment)
        watched = [
            silent[assignment.robot_id][metric]
            for metric, _ in program.silences
            if metric in silent[assignment.robot_id]
        ]
        stored = states.get((assignment.rule.pk, assignment.robot_id), StoredState())
        machine = stored.record.machine
        newest = max(map(to_micros, watched), default=0)
        is_watched = machine is not None and newest <= machine.at
        if watched and not is_watched:
            plan = plan_for_samples(program, stored.record, newest)
            until = to_micros(now) - program.grace
            evaluations.append(Evaluation(assignment, program, stored, plan, until))
    return evaluations


def held_alerts_open() -> int:
    """Open the alerts that were held back and still hold."""
    rules = rules_of_kinds(RuleKind)
    rows = AlertRuleState.objects.filter(is_unreported=True, rule_id__in=list(rules))
    raised = []
    with audit_action("alerts.alert_rule.evaluate"):
        for row in rows.select_related("robot"):
            rule = rules[row.rule_id]
            episode = RuleRecord.from_json(row.record).open_episode
            if row.rule_version != rule.version or episode is None:
                continue
            if raise_alert(rule, row.robot, episode):
                raised.append(row.pk)
        AlertRuleState.objects.filter(pk__in=raised).update(is_unreported=False)
    return len(raised)
