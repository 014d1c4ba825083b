"""Cards of the robots on the home page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, IntegerField, Value, When
from django.utils import timezone

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.selectors.alerts import OpenAlerts, open_alerts_by_robot
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from apps.robots.selectors.robots import robot_status_counts
from apps.telemetry.selectors import latest_values
from urfmp.pages.charts import unit_symbol

MAX_CARDS = 240
# Cards show current values only.
_MAX_CARD_VALUE_AGE = timedelta(hours=1)
_MOTOR_TEMPERATURES = tuple(f"temperature.motor.joint{number}" for number in range(1, 8))
_CARD_METRICS = (
    ("Battery", ("battery.charge",)),
    ("Hottest motor", _MOTOR_TEMPERATURES),
    ("Power", ("power.total",)),
    ("Controller", ("temperature.controller",)),
    ("Speed", ("velocity.linear.magnitude",)),
    ("Current", ("current.total",)),
)
_MAX_CARD_VALUES = 2
# Robots that need attention come first, by the more urgent of their status and their alerts.
_URGENCY = (
    RobotStatus.EMERGENCY_STOP, AlertSeverity.CRITICAL, RobotStatus.ERROR, AlertSeverity.ERROR,
    RobotStatus.STOPPED, RobotStatus.OFFLINE, AlertSeverity.WARNING, RobotStatus.MAINTENANCE,
    AlertSeverity.INFO,
)  # fmt: skip
_URGENT_SEVERITIES = {AlertSeverity.CRITICAL, AlertSeverity.ERROR}


@dataclass(frozen=True)
class CardValue:
    """A value on a robot card: the maximum over some metrics.

    Attributes:
        label: Text above the value.
        metrics: Names of the metrics that the maximum is taken over.
        value: The maximum.
        unit: Symbol of the unit.
    """

    label: str
    metrics: tuple[str, ...]
    value: float
    unit: str


@dataclass(frozen=True)
class RobotCard:
    """A robot on the home page, with its current values."""

    robot: Robot
    alerts: OpenAlerts | None = None
    values: list[CardValue] = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetOverview:
    """State of an organization's robots in service.

    Attributes:
        counts: Number of robots in each status, in the order of the choices.
        total: Number of robots.
        connected: Number of robots that are not offline.
        robots_by_facility: Facility names with the cards of their robots, the most urgent first.
        is_complete: Whether every robot has a card.
    """

    counts: list[tuple[RobotStatus, int]]
    total: int
    connected: int
    robots_by_facility: list[tuple[str, list[RobotCard]]]
    is_complete: bool


def fleet_overview(principal: Any) -> FleetOverview:
    """Return the visible robots in service. Runs five queries."""
    counted = robot_status_counts(principal)
    alerts = open_alerts_by_robot(principal)
    with_alerts = [pk for pk, found in alerts.items() if found.severity in _URGENT_SEVERITIES]
    urgency = Case(
        When(pk__in=with_alerts[:MAX_CARDS], then=Value(_URGENCY.index(AlertSeverity.ERROR))),
        *(
            When(status=status, then=Value(rank))
            for rank, status in enumerate(_URGENCY)
            if isinstance(status, RobotStatus)
        ),
        default=Value(len(_URGENCY)),
        output_field=IntegerField(),
    )
    robots = list(
        Robot.objects.restrict(principal).in_service().order_by(urgency, "name")[:MAX_CARDS]
    )
    values = _card_values(principal, [robot.pk for robot in robots])
    by_facility: dict[str, list[RobotCard]] = {}
    cards = [_robot_card(each, alerts.get(each.pk), values.get(each.pk, {})) for each in robots]
    for card in sorted(cards, key=_card_order):
        by_facility.setdefault(card.robot.facility, []).append(card)
    total = sum(counted.values())
    return FleetOverview(
        counts=[(status, counted.get(status.value, 0)) for status in RobotStatus],
        total=total,
        connected=total - counted.get(RobotStatus.OFFLINE, 0),
        robots_by_facility=list(by_facility.items()),
        is_complete=total <= MAX_CARDS,
    )


def _card_order(card: RobotCard) -> tuple[str, int, str]:
    problems: set[str | None] = {card.robot.status, card.alerts.severity if card.alerts else None}
    ranks = [rank for rank, problem in enumerate(_URGENCY) if problem in problems]
    return card.robot.facility, min(ranks, default=len(_URGENCY)), card.robot.name


def _card_values(
    principal: Any, robot_ids: list[UUID]
) -> dict[UUID, dict[str, tuple[float, str | None]]]:
    if not robot_ids or not principal.has_perm("telemetry.view_robottelemetry"):
        return {}
    names = [name for _, metrics in _CARD_METRICS for name in metrics]
    since = timezone.now() - _MAX_CARD_VALUE_AGE
    found: dict[UUID, dict[str, tuple[float, str | None]]] = {}
    for one in latest_values(robot_ids, names):
        if one.value is not None and one.time > since:
            found.setdefault(one.robot_id, {})[one.metric_name] = (one.value, one.unit)
    return found


def _robot_card(
    robot: Robot, alerts: OpenAlerts | None, values: dict[str, tuple[float, str | None]]
) -> RobotCard:
    shown: list[CardValue] = []
    for label, metrics in _CARD_METRICS:
        known = [values[name] for name in metrics if name in values]
        if known and len(shown) < _MAX_CARD_VALUES:
            value, unit = max(known, key=lambda pair: pair[0])
            shown.append(CardValue(label, metrics, value, unit_symbol(unit)))
    latest = {name: value for name, (value, _) in values.items()}
    return RobotCard(robot, alerts, shown, latest)
