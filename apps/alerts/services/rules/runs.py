"""Run evaluations, and store their states and alerts."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from apps.alerts.models import AlertRule, AlertRuleState
from apps.alerts.protocols.conditions import parse_condition, program_for
from apps.alerts.protocols.program import Program, to_datetime, to_micros
from apps.alerts.selectors.rules import Assignment
from apps.alerts.selectors.samples import points_after
from apps.alerts.services.rules.alerts import transitions_apply
from apps.alerts.services.rules.evaluator import Plan, evaluate
from apps.alerts.services.rules.machine import Sample
from apps.alerts.services.rules.records import (
    StoredState,
    error_row,
    state_row,
    states_store,
)
from apps.robots.models import Robot
from urfmp.common.tenancy.context import audit_action

logger = logging.getLogger(__name__)

_UTC = ZoneInfo("UTC")
# Wider than `MAX_CLOCK_SKEW`, beyond which ingest rejects points: the clocks of machines differ.
AHEAD = timedelta(days=1)


@dataclass
class Evaluation:
    """An evaluation of a rule for a robot."""

    assignment: Assignment
    program: Program
    stored: StoredState
    plan: Plan
    until: int

    @property
    def robot_id(self) -> UUID | None:
        """Robot to evaluate; None for the organization."""
        return self.assignment.robot_id


def rule_program(rule: AlertRule, assignment: Assignment | None = None) -> Program:
    """Return a rule's program, in the robot's timezone."""
    condition = parse_condition(rule.kind, rule.severity, rule.condition)
    zone = assignment.zone if assignment else _UTC
    return program_for(condition, rule.severity, zone)


class Programs:
    """The programs of rules by timezone, each made once."""

    def __init__(self) -> None:
        """Start without programs."""
        self._made: dict[tuple[UUID, str], Program] = {}

    def of(self, assignment: Assignment) -> Program:
        """Return the program of a rule for a robot."""
        key = (assignment.rule.pk, assignment.zone.key)
        if key not in self._made:
            self._made[key] = rule_program(assignment.rule, assignment)
        return self._made[key]


def evaluations_run(evaluations: list[Evaluation], now: datetime) -> None:
    """Run evaluations, and store their states and alerts."""
    if not evaluations:
        return
    after: dict[tuple[UUID | None, str], datetime] = {}
    for evaluation in evaluations:
        begin = to_datetime(evaluation.plan.initial.at)
        for metric in evaluation.program.metrics:
            key = (evaluation.robot_id, metric)
            after[key] = min(after.get(key, begin), begin)
    samples: defaultdict[UUID | None, list[Sample]] = defaultdict(list)
    for point in points_after(after, now + AHEAD):
        sample = Sample(to_micros(point.time), point.metric_name, point.value)
        samples[point.robot_id].append(sample)
    evaluations_run_on_samples(evaluations, lambda evaluation: samples[evaluation.robot_id])


def evaluations_run_on_samples(
    evaluations: list[Evaluation], samples_of: Callable[[Evaluation], list[Sample]]
) -> None:
    """Evaluate rules on samples; store their states and alerts.

    Args:
        evaluations: Evaluations.
        samples_of: Function that returns the samples of an evaluation, in order of time.
    """
    if not evaluations:
        return
    ids = {evaluation.robot_id for evaluation in evaluations if evaluation.robot_id is not None}
    robots: dict[UUID | None, Robot] = {
        robot.pk: robot for robot in (Robot.objects.filter(pk__in=ids) if ids else ())
    }
    rows: dict[tuple[UUID, UUID | None], AlertRuleState] = {}
    with audit_action("alerts.alert_rule.evaluate"):
        for evaluation in evaluations:
            row = _run_or_error(evaluation, samples_of(evaluation), robots.get(evaluation.robot_id))
            rows[evaluation.assignment.rule.pk, evaluation.robot_id] = row
        states_store(list(rows.values()))


def _run_or_error(
    evaluation: Evaluation, samples: list[Sample], robot: Robot | None
) -> AlertRuleState:
    """Evaluate a rule for a robot, without raising its errors.

    The rule starts anew with the next points.
    """
    rule, robot_id = evaluation.assignment.rule, evaluation.robot_id
    try:
        with transaction.atomic():
            return _run(evaluation, samples, robot)
    except (ArithmeticError, LookupError, ValueError) as error:
        logger.exception(
            "Rule %s of robot %s could not be evaluated.", rule.pk, evaluation.robot_id
        )
        return error_row(rule, robot_id, f"{type(error).__name__}: {error}")


def _run(evaluation: Evaluation, samples: list[Sample], robot: Robot | None) -> AlertRuleState:
    """Evaluate a rule for a robot; return its new state."""
    rule, plan = evaluation.assignment.rule, evaluation.plan
    needed = [
        sample
        for sample in samples
        if sample.metric in evaluation.program.metrics
        and (sample.at > plan.initial.at or not plan.initial.held)
        and (not plan.is_past or sample.at <= evaluation.until)
    ]
    record, transitions = evaluate(
        evaluation.program, evaluation.stored.record, plan, needed, evaluation.until
    )
    evaluation.stored.record = record
    evaluation.stored.is_unreported = transitions_apply(
        rule, robot, transitions, is_unreported=evaluation.stored.is_unreported
    )
    return state_row(rule, evaluation.robot_id, evaluation.stored, evaluation.program)
