"""Try a rule on stored history, before it is saved."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.alerts.choices.rules import RuleKind
from apps.alerts.models import AlertRule
from apps.alerts.protocols.conditions import parse_condition, program_for
from apps.alerts.protocols.program import to_datetime, to_micros
from apps.alerts.selectors.rules import robots_in_scope
from apps.alerts.selectors.samples import recent_points
from apps.alerts.services.rules.machine import Episode, Machine, Sample
from apps.robots.models import Robot

PREVIEW_DAYS = 7
MAX_PREVIEW_ROBOTS = 20
MAX_PREVIEW_POINTS = 200_000


@dataclass(frozen=True)
class RobotPreview:
    """When a rule would have fired for a robot."""

    robot: Robot
    episodes: list[tuple[datetime, datetime | None]]


@dataclass(frozen=True)
class RulePreview:
    """What a rule would have done.

    Attributes:
        start: Start of the history that was tried; later than a week ago if there is much data.
        end: End of it.
        robots: The robots that were tried and have the rule's metrics, by name.
        robot_count: Number of robots in the rule's scope.
    """

    start: datetime
    end: datetime
    robots: list[RobotPreview]
    robot_count: int

    @property
    def count(self) -> int:
        """Number of times that the rule would have fired."""
        return sum(len(robot.episodes) for robot in self.robots)


def rule_preview(
    *, organization_id: UUID, principal: Any, now: datetime | None = None, **fields: Any
) -> RulePreview:
    """Return how often a rule would have fired in seven days.

    At most 20 robots and 200,000 points are tried.

    Args:
        organization_id: Organization of the rule.
        principal: User or API key; only robots that it may view are tried.
        now: End of the history; default: the current time.
        fields: Columns of the rule, as for `alert_rule_create()`.

    Raises:
        ValidationError: The condition is not valid, or the rule is not on metrics.
    """
    rule = AlertRule(organization_id=organization_id, **fields)
    condition = parse_condition(rule.kind, rule.severity, rule.condition)
    end = now or timezone.now()
    start = end - timedelta(days=PREVIEW_DAYS)
    if rule.kind != RuleKind.METRIC:
        return RulePreview(start, end, [], 0)
    robots, robot_count = robots_in_scope(
        principal, rule, metrics=sorted(rule_metrics(rule)), limit=MAX_PREVIEW_ROBOTS
    )
    points = recent_points(
        [robot.pk for robot, _ in robots],
        sorted(rule_metrics(rule)),
        start=start,
        end=end,
        limit=MAX_PREVIEW_POINTS,
    )
    if len(points) == MAX_PREVIEW_POINTS:
        start = points[0].time
    samples: defaultdict[UUID, list[Sample]] = defaultdict(list)
    for point in points:
        sample = Sample(to_micros(point.time), point.metric_name, point.value)
        samples[point.robot_id].append(sample)
    found = []
    for robot, zone in robots:
        if not samples[robot.pk]:
            continue
        program = program_for(condition, rule.severity, zone)
        machine = Machine(at=to_micros(start) - 1)
        episodes = machine.advance(program, samples[robot.pk], to_micros(end))
        if machine.episode is not None:
            episodes.append(machine.episode)
        found.append(RobotPreview(robot, [_times(episode) for episode in episodes]))
    return RulePreview(start, end, found, robot_count)


def rule_metrics(rule: AlertRule) -> set[str]:
    """Return the names of the metrics that a rule's condition names."""
    if rule.kind != RuleKind.METRIC:
        return set()
    return {clause["metric"] for clause in rule.condition["clauses"]}


def _times(episode: Episode) -> tuple[datetime, datetime | None]:
    end = None if episode.end is None else to_datetime(episode.end)
    return to_datetime(episode.start), end
