"""What the pages show, read in a number of queries that does not grow with the fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, Q, Value, When
from django.utils import timezone

from apps.alerts.choices import AlertSeverity
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot, RobotCommand
from apps.robots.selectors.robots import robot_status_counts
from apps.telemetry.models import RobotTelemetry
from apps.telemetry.selectors import latest_values
from urfmp.pages.charts import unit_sign

CARD_LIMIT = 240
LIST_LIMIT = 8
# A card tells what is, not what was.
_CARD_VALUES_FROM = timedelta(hours=1)
_MOTORS = tuple(f"temperature.motor.joint{number}" for number in range(1, 8))
_CARD_METRICS = (
    ("Battery", ("battery.charge",)),
    ("Hottest motor", _MOTORS),
    ("Power", ("power.total",)),
    ("Controller", ("temperature.controller",)),
    ("Speed", ("velocity.linear.magnitude",)),
    ("Current", ("current.total",)),
)
_VALUES_ON_CARD = 2
# What needs somebody comes first on a wall that is too small for the fleet.
_URGENCY = (
    RobotStatus.EMERGENCY_STOP, RobotStatus.ERROR, RobotStatus.STOPPED, RobotStatus.OFFLINE,
    RobotStatus.MAINTENANCE,
)  # fmt: skip


@dataclass(frozen=True)
class CardValue:
    """One value on a card: the greatest of the named metrics.

    Attributes:
        label: What is measured.
        metrics: Names of the metrics that it is taken from.
        value: The greatest.
        unit: As people write it.
    """

    label: str
    metrics: tuple[str, ...]
    value: float
    unit: str


@dataclass(frozen=True)
class Card:
    """A robot on the wall."""

    robot: Robot
    values: list[CardValue] = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fleet:
    """The state of an organization's robots in service.

    Attributes:
        counts: How many show each status, in the order of the choices.
        total: How many there are.
        alive: How many have been heard of lately.
        walls: Facility and its cards, in the order of their names.
        is_whole: Whether every robot has a card.
    """

    counts: list[tuple[RobotStatus, int]]
    total: int
    alive: int
    walls: list[tuple[str, list[Card]]]
    is_whole: bool


def fleet_get(principal: Any) -> Fleet:
    """Return the fleet as the principal sees it; four queries."""
    counted = robot_status_counts(principal)
    urgency = Case(
        *(When(status=status, then=Value(rank)) for rank, status in enumerate(_URGENCY)),
        default=Value(len(_URGENCY)),
        output_field=IntegerField(),
    )
    robots = list(
        Robot.objects.restrict(principal).in_service().order_by(urgency, "name")[:CARD_LIMIT]
    )
    values = _card_values(principal, [robot.pk for robot in robots])
    walls: dict[str, list[Card]] = {}
    for robot in sorted(robots, key=lambda robot: (robot.facility, robot.name)):
        walls.setdefault(robot.facility, []).append(_card(robot, values.get(robot.pk, {})))
    total = sum(counted.values())
    return Fleet(
        counts=[(status, counted.get(status.value, 0)) for status in RobotStatus],
        total=total,
        alive=total - counted.get(RobotStatus.OFFLINE, 0),
        walls=list(walls.items()),
        is_whole=total <= CARD_LIMIT,
    )


def _card_values(
    principal: Any, robot_ids: list[UUID]
) -> dict[UUID, dict[str, tuple[float, str | None]]]:
    if not robot_ids or not principal.has_perm("telemetry.view_robottelemetry"):
        return {}
    names = [name for _, metrics in _CARD_METRICS for name in metrics]
    since = timezone.now() - _CARD_VALUES_FROM
    found: dict[UUID, dict[str, tuple[float, str | None]]] = {}
    for one in latest_values(robot_ids, names):
        if one.value is not None and one.time > since:
            found.setdefault(one.robot_id, {})[one.metric_name] = (one.value, one.unit)
    return found


def _card(robot: Robot, values: dict[str, tuple[float, str | None]]) -> Card:
    shown: list[CardValue] = []
    for label, metrics in _CARD_METRICS:
        known = [values[name] for name in metrics if name in values]
        if known and len(shown) < _VALUES_ON_CARD:
            value, unit = max(known, key=lambda pair: pair[0])
            shown.append(CardValue(label, metrics, value, unit_sign(unit)))
    return Card(robot, shown, {name: value for name, (value, _) in values.items()})


def _severity_rank() -> Case:
    return Case(
        *(
            When(severity=severity, then=Value(rank))
            for rank, severity in enumerate(reversed(AlertSeverity.values))
        ),
        output_field=IntegerField(),
    )


def open_alerts(principal: Any, robot: Robot | None = None) -> tuple[list[Alert], int]:
    """Return the gravest unresolved alerts, the newest first among equals, and their number."""
    rows = Alert.objects.restrict(principal).unresolved()
    if robot is not None:
        rows = rows.filter(robot=robot)
    shown = list(
        rows.select_related("robot").order_by(_severity_rank(), "-created_at")[:LIST_LIMIT]
    )
    return shown, len(shown) if len(shown) < LIST_LIMIT else rows.count()


@dataclass(frozen=True)
class DueTasks:
    """Maintenance that is late or due within a week, the earliest first."""

    tasks: list[MaintenanceTask]
    overdue: int
    soon: int


def due_tasks(principal: Any) -> DueTasks:
    """Return what is late, and what is due within a week; two queries."""
    now = timezone.now()
    rows = (
        MaintenanceTask.objects.restrict(principal)
        .open()
        .filter(due_at__lt=now + timedelta(days=7))
    )
    counts = rows.order_by().aggregate(
        overdue=Count("pk", filter=Q(due_at__lt=now)), soon=Count("pk", filter=Q(due_at__gte=now))
    )
    shown = rows.select_related("robot", "assigned_to").order_by("due_at")[:LIST_LIMIT]
    return DueTasks(list(shown), counts["overdue"], counts["soon"])


def robot_tasks(principal: Any, robot: Robot) -> list[MaintenanceTask]:
    """Return a robot's open tasks, the earliest due first."""
    rows = MaintenanceTask.objects.restrict(principal).open().filter(robot=robot)
    return list(
        rows.select_related("assigned_to").order_by(F("due_at").asc(nulls_last=True))[:LIST_LIMIT]
    )


def robot_commands(principal: Any, robot: Robot) -> list[RobotCommand]:
    """Return the commands that a robot was given last."""
    rows = RobotCommand.objects.restrict(principal).filter(robot=robot).select_related("user")
    return list(rows[:LIST_LIMIT])


def robot_choices(principal: Any, limit: int = 1000) -> list[tuple[UUID, str]]:
    """Return id and name of the robots that may be chosen, by name."""
    return list(Robot.objects.restrict(principal).values_list("pk", "name")[:limit])


def first_robot(principal: Any) -> Robot | None:
    """Return the robot to show where none is named: the first in service by name."""
    robot: Robot | None = Robot.objects.restrict(principal).in_service().first()
    return robot


def robot_named(principal: Any, words: str) -> Robot | None:
    """Return the robot that somebody means: its name or serial number, or a part of the name."""
    robots = Robot.objects.restrict(principal)
    exact = robots.filter(Q(name__iexact=words) | Q(serial_number__iexact=words))
    robot: Robot | None = exact.first() or robots.filter(name__icontains=words).first()
    return robot


def telemetry_is_visible(principal: Any) -> bool:
    """Tell whether the principal may see measured values."""
    return bool(principal.has_perm(f"telemetry.view_{RobotTelemetry._meta.model_name}"))


def search_rows(principal: Any, words: str, limit: int = 8) -> Iterable[tuple[str, str, Any]]:
    """Yield what the words are found in: kind, what it is called, and the row."""
    robots = Robot.objects.restrict(principal).filter(
        Q(name__icontains=words) | Q(serial_number__icontains=words) | Q(model__icontains=words)
    )
    # What is over is looked for in its list: a row of years of titles takes too long here.
    tasks = MaintenanceTask.objects.restrict(principal).open().filter(title__icontains=words)
    alerts = Alert.objects.restrict(principal).unresolved().filter(title__icontains=words)
    for kind, rows in (("robot", robots), ("task", tasks), ("alert", alerts)):
        for row in rows[:limit]:
            yield kind, str(row), row
