"""Which rules apply to which robots."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from apps.alerts.choices.rules import ORGANIZATION_KINDS, RuleKind, RuleScope, RuleState
from apps.alerts.models import AlertRule, AlertRuleState
from apps.organizations.models import Facility
from apps.robots.models import Robot
from apps.telemetry.models import TelemetryLatest

# Of the rules with one name the one nearest to the robot applies; a disabled one switches it off.
_ASSIGNED = """
    SELECT robot_id, rule_id, zone FROM (
        SELECT DISTINCT ON (r.id, a.name) r.id AS robot_id, a.id AS rule_id, a.is_enabled,
               coalesce(nullif(f.timezone, ''), %(zone)s) AS zone
        FROM robots r
        JOIN alert_rules a ON a.organization_id = r.organization_id AND a.kind = ANY (%(kinds)s)
            AND CASE a.scope
                WHEN 'organization' THEN true
                WHEN 'facility' THEN a.facility = r.location ->> 'facility'
                WHEN 'model' THEN a.model = r.model
                ELSE a.robot_id = r.id
            END
        LEFT JOIN facilities f ON f.organization_id = r.organization_id
            AND f.name = r.location ->> 'facility'
        WHERE r.is_active AND (%(robots)s::uuid[] IS NULL OR r.id = ANY (%(robots)s))
        ORDER BY r.id, a.name,
            array_position(ARRAY['robot', 'model', 'facility', 'organization'], a.scope::text)
    ) AS nearest
    WHERE is_enabled
"""

EVALUATE_TASK = "alerts.evaluate_rules"
_STALLED = """
    SELECT greatest(rule_evaluation_backlog(), (
        SELECT extract(epoch FROM clock_timestamp() - min(waiting.since)) FROM (
            SELECT max(e.at) AS since
            FROM procrastinate_jobs j
            JOIN procrastinate_events e ON e.job_id = j.id
             AND e.type = CASE j.status WHEN 'doing' THEN 'started'
                          ELSE 'deferred' END::procrastinate_job_event_type
            WHERE j.task_name = %(task)s
              AND (j.status = 'todo' OR j.status = 'doing' AND j.worker_id IS NOT NULL)
            GROUP BY j.id
        ) AS waiting
    ))
"""


# States shown on a rule's page.
_MAX_STATES = 50
_MAX_METRIC_NAMES = 500


@dataclass(frozen=True)
class Assignment:
    """A rule that applies to a robot or organization, and the timezone.

    `robot_id` is None for rules that observe the organization.
    """

    robot_id: UUID | None
    rule: AlertRule
    zone: ZoneInfo


def rules_of_kinds(kinds: Collection[RuleKind]) -> dict[UUID, AlertRule]:
    """Return the open organization's enabled rules of some kinds."""
    rules = AlertRule.objects.enabled().filter(kind__in=kinds).select_related("organization")
    return {rule.pk: rule for rule in rules}


def assigned_rules(
    rules: dict[UUID, AlertRule],
    kinds: Collection[RuleKind],
    *,
    robot_ids: Collection[UUID | None] | None = None,
) -> list[Assignment]:
    """Return which rules apply to which robots in service.

    Args:
        rules: Result of `rules_of_kinds()`.
        kinds: Kinds of rules.
        robot_ids: Robots to consider; all by default.
    """
    if not rules or (robot_ids is not None and not robot_ids):
        return []
    organization: Any = next(iter(rules.values())).organization
    values = {
        "zone": organization.timezone,
        "kinds": [kind.value for kind in kinds],
        "robots": None if robot_ids is None else list(robot_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ASSIGNED, values)
        rows = cursor.fetchall()
    zones = {name: ZoneInfo(name) for name in {zone for _, _, zone in rows}}
    return [
        Assignment(robot_id, rules[rule_id], zones[zone])
        for robot_id, rule_id, zone in rows
        if rule_id in rules
    ]


def organization_rules(rules: dict[UUID, AlertRule]) -> list[Assignment]:
    """Return the rules that observe the organization itself.

    Args:
        rules: Result of `rules_of_kinds()`.
    """
    return [
        Assignment(None, rule, ZoneInfo(str(rule.organization.timezone)))
        for rule in rules.values()
        if rule.kind in ORGANIZATION_KINDS
    ]


def organizations_with_rules() -> list[UUID]:
    """Return the organizations with enabled rules; needs no tenant transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM alert_rule_organizations()")
        return [row[0] for row in cursor.fetchall()]


def robots_in_scope(
    principal: Any, rule: AlertRule, *, metrics: list[str], limit: int
) -> tuple[list[tuple[Robot, ZoneInfo]], int]:
    """Return robots in a rule's scope, and how many exist.

    The robots have the timezone of their facility.

    Args:
        principal: User or API key that may view the robots.
        rule: Rule, which need not be stored.
        metrics: Robots must have reported one of these metrics.
        limit: Maximum number of robots, by name.
    """
    robots = Robot.objects.restrict(principal).in_service()
    if rule.scope == RuleScope.FACILITY:
        robots = robots.filter(location__facility=rule.facility)
    elif rule.scope == RuleScope.MODEL:
        robots = robots.filter(model=rule.model)
    elif rule.scope == RuleScope.ROBOT:
        robots = robots.filter(pk=rule.robot_id)
    count = robots.count()
    known = TelemetryLatest.objects.filter(metric_name__in=metrics).values("robot_id")
    zones = dict(Facility.objects.exclude(timezone="").values_list("name", "timezone"))
    default = str(rule.organization.timezone)
    chosen = robots.filter(pk__in=known).order_by("name", "pk")[:limit]
    return [(robot, ZoneInfo(zones.get(robot.facility, default))) for robot in chosen], count


def firing_robot_count() -> Coalesce:
    """Return an expression of rules: the number of firing robots."""
    states = AlertRuleState.objects.filter(
        rule=OuterRef("pk"), state__in=(RuleState.FIRING, RuleState.RECOVERING)
    )
    counts = states.order_by().values("rule").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counts), 0)


def active_states(rule: AlertRule) -> list[AlertRuleState]:
    """Return a rule's newest states that are not normal, at most 50."""
    states = AlertRuleState.objects.filter(rule=rule).exclude(state=RuleState.NORMAL)
    return list(states.select_related("robot")[:_MAX_STATES])


def evaluation_stalled_seconds() -> float:
    """Return for how many seconds rules wait to be evaluated.

    Counts new points, and the job that evaluates rules while a living worker has it or should have
    begun it. Needs no tenant transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STALLED, {"task": EVALUATE_TASK})
        return float(cursor.fetchone()[0])


def known_metric_names() -> list[str]:
    """Return the names of metrics that the open organization's robots report."""
    names = TelemetryLatest.objects.order_by("metric_name").values_list("metric_name", flat=True)
    return list(names.distinct()[:_MAX_METRIC_NAMES])
