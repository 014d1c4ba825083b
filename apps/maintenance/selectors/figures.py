"""Key figures of maintenance: reliability, plan, backlog and cost.

Sources: EN 15341 (maintenance key performance indicators), IEC 60050-192 (dependability) and
EN 13306 (terms).

- A failure is an unplanned task (corrective or emergency) that was created in the period and not
  cancelled.
- Mean operating time between failures (MTBF) = time in the status running / failures of the
  robots (IEC 60050-192-05-13).
- Mean time to restoration (MTTR) = mean time from the creation of a failure's task to the end of
  its work, for failures whose work has ended (IEC 60050-192-07-23).
- Availability: see `apps.robots.selectors.availability`.
- Planned share = planned tasks / all tasks, of those completed in the period (EN 15341).
- Compliance = planned tasks completed by the end of their due day / planned tasks that were due,
  for due days of the period that are over. Cancelled tasks do not count.
- Backlog age = mean time since the due date of open tasks that are overdue now.
- Cost per running hour = cost of the robots' tasks completed in the period / time in the status
  running (EN 15341 relates cost to output; hours are the output that every robot has).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import (
    Avg,
    Count,
    DateField,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Q,
    Sum,
)
from django.db.models.functions import Coalesce, TruncDate, TruncMonth

from apps.maintenance.choices import FAILURE_TYPES, OPEN_STATUSES, MaintenanceStatus
from apps.maintenance.models import MaintenanceTask
from apps.robots.choices import RobotStatus
from apps.robots.selectors.availability import StatusSummary
from apps.robots.selectors.status_intervals import (
    TimeRange,
    status_summaries,
    summaries_total,
)
from urfmp.common.time.local import start_of_day

_ZERO = timedelta()
_PLANNED = ~Q(type__in=FAILURE_TYPES)
# Completed by the end of the due day, for tasks `with_days`.
ON_TIME = Q(status=MaintenanceStatus.COMPLETED, completed_day__lte=F("due_day"))
_SUMMARY_SQL = """
    SELECT robot_id, total_tasks, completed_tasks, overdue_tasks, total_cost, avg_duration
    FROM maintenance_summary WHERE robot_id = ANY (%s)
"""


@dataclass(frozen=True)
class FigureScope:
    """What figures are about.

    Attributes:
        robot_ids: Robots, which the user may view.
        has_other_tasks: Whether tasks without a robot count too.
        span: Period.
        now: Time of the report, which is that of the backlog.
        zone: Timezone of days and months.
    """

    robot_ids: tuple[UUID, ...]
    has_other_tasks: bool
    span: TimeRange
    now: datetime
    zone: tzinfo

    @property
    def due_before(self) -> datetime:
        """Start of the period's last day that is not over."""
        return start_of_day(self.span.end.astimezone(self.zone).date(), self.zone)


@dataclass(frozen=True)
class Work:
    """Failures and completed tasks, of a robot or in total.

    Attributes:
        failures: Number of failures.
        restored: Failures whose work has ended.
        restoration: Time to restoration of these, added up.
        planned: Completed planned tasks.
        unplanned: Completed unplanned tasks.
        planned_minutes: Duration of the planned ones, in minutes.
        unplanned_minutes: Duration of the unplanned ones, in minutes.
        cost: Cost of the completed tasks, in the organization's currency.
    """

    failures: int = 0
    restored: int = 0
    restoration: timedelta = _ZERO
    planned: int = 0
    unplanned: int = 0
    planned_minutes: int = 0
    unplanned_minutes: int = 0
    cost: Decimal = Decimal(0)

    def __add__(self, other: Work) -> Work:
        """Return the sum of both."""
        return Work(
            self.failures + other.failures,
            self.restored + other.restored,
            self.restoration + other.restoration,
            self.planned + other.planned,
            self.unplanned + other.unplanned,
            self.planned_minutes + other.planned_minutes,
            self.unplanned_minutes + other.unplanned_minutes,
            self.cost + other.cost,
        )

    @property
    def mean_time_to_restoration(self) -> timedelta | None:
        """MTTR; None without a failure whose work has ended."""
        return self.restoration / self.restored if self.restored else None

    @property
    def planned_share(self) -> float | None:
        """Planned tasks among the completed ones, 0 to 1; None without any."""
        total = self.planned + self.unplanned
        return self.planned / total if total else None


@dataclass(frozen=True)
class TaskSummary:
    """A row of the view `maintenance_summary`: all tasks of a robot.

    Attributes:
        total_tasks: Number of tasks.
        completed_tasks: Completed ones.
        overdue_tasks: Those in the status overdue.
        total_cost: Sum of their costs; None if no task has one.
        avg_duration: Mean duration in minutes; None if no task has one.
    """

    total_tasks: int = 0
    completed_tasks: int = 0
    overdue_tasks: int = 0
    total_cost: Decimal | None = None
    avg_duration: Decimal | None = None


@dataclass(frozen=True)
class RobotFigures:
    """Figures of one robot, or of all robots together.

    Attributes:
        work: Failures and completed tasks.
        status: Time in state.
    """

    work: Work
    status: StatusSummary

    @property
    def running(self) -> timedelta:
        """Operating time: time in the status running."""
        times = (row.time for row in self.status.statuses if row.status == RobotStatus.RUNNING)
        return sum(times, _ZERO)

    @property
    def mean_time_between_failures(self) -> timedelta | None:
        """MTBF; None without a failure."""
        return self.running / self.work.failures if self.work.failures else None

    @property
    def cost_per_running_hour(self) -> Decimal | None:
        """Cost per running hour; None without operating time."""
        hours = Decimal(self.running // timedelta(seconds=1)) / 3600
        return self.work.cost / hours if hours else None


@dataclass(frozen=True)
class Figures:
    """All figures of a scope.

    Attributes:
        robots: Figures by robot.
        total: Figures of all robots and, if they count, of tasks without a robot.
        of_robots: The same without tasks without a robot: running hours relate to these.
        months: Cost by the first day of the local month.
        due: Planned tasks that were due.
        on_time: Those that were completed by the end of their due day.
        overdue: Open tasks that are overdue now.
        mean_age: Mean time since their due dates.
        max_age: Longest time since a due date.
        summaries: Rows of `maintenance_summary` by robot.
    """

    robots: Mapping[UUID, RobotFigures]
    total: RobotFigures
    of_robots: RobotFigures
    months: Mapping[date, Decimal]
    due: int
    on_time: int
    overdue: int
    mean_age: timedelta | None
    max_age: timedelta | None
    summaries: Mapping[UUID, TaskSummary] = field(default_factory=dict)

    @property
    def late(self) -> int:
        """Planned tasks that were due and not completed on time."""
        return self.due - self.on_time

    @property
    def compliance(self) -> float | None:
        """On time over due, 0 to 1; None if nothing was due."""
        return self.on_time / self.due if self.due else None


def maintenance_figures(principal: Any, scope: FigureScope) -> Figures:
    """Return the figures of a scope; five queries."""
    tasks = scoped_tasks(principal, scope)
    months: dict[date, Decimal] = {}
    work: dict[UUID | None, Work] = {}
    for robot_id, month, found in _completed(tasks, scope):
        months[month] = months.get(month, Decimal(0)) + found.cost
        work[robot_id] = work.get(robot_id, Work()) + found
    for robot_id, found in _failures(tasks, scope):
        work[robot_id] = work.get(robot_id, Work()) + found
    statuses = status_summaries(scope.robot_ids, scope.span)
    robots = {pk: RobotFigures(work.get(pk, Work()), statuses[pk]) for pk in scope.robot_ids}
    of_robots = sum((figures.work for figures in robots.values()), Work())
    status = summaries_total(statuses.values())
    return Figures(
        robots=robots,
        total=RobotFigures(of_robots + work.get(None, Work()), status),
        of_robots=RobotFigures(of_robots, status),
        months=dict(sorted(months.items())),
        summaries=task_summaries(scope.robot_ids),
        **_plan(tasks, scope),
    )


def task_summaries(robot_ids: Collection[UUID]) -> dict[UUID, TaskSummary]:
    """Return rows of the view `maintenance_summary` by robot; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY_SQL, [list(robot_ids)])
        return {row[0]: TaskSummary(*row[1:]) for row in cursor.fetchall()}


def scoped_tasks(principal: Any, scope: FigureScope) -> Any:
    """Return the tasks of a scope, of any time, without an order."""
    of_robots = Q(robot_id__in=scope.robot_ids)
    condition = of_robots | Q(robot__isnull=True) if scope.has_other_tasks else of_robots
    return MaintenanceTask.objects.restrict(principal).filter(condition).order_by()


def failures(tasks: Any, scope: FigureScope) -> Any:
    """Return unplanned tasks that were created in the period and not cancelled."""
    return tasks.filter(
        type__in=FAILURE_TYPES, created_at__gte=scope.span.start, created_at__lt=scope.span.end
    ).exclude(status=MaintenanceStatus.CANCELLED)


def completed(tasks: Any, scope: FigureScope) -> Any:
    """Return tasks that were completed in the period."""
    return tasks.filter(
        status=MaintenanceStatus.COMPLETED,
        completed_at__gte=scope.span.start,
        completed_at__lt=scope.span.end,
    )


def due(tasks: Any, scope: FigureScope) -> Any:
    """Return planned tasks whose due day is in the period and over."""
    return tasks.filter(_due(scope))


def with_days(tasks: Any, scope: FigureScope) -> Any:
    """Add the local days of due date and completion, for `ON_TIME`."""
    return tasks.annotate(
        due_day=TruncDate("due_at", tzinfo=scope.zone),
        completed_day=TruncDate("completed_at", tzinfo=scope.zone),
    )


def backlog(tasks: Any, scope: FigureScope) -> Any:
    """Return open tasks that are overdue now."""
    return tasks.filter(_overdue(scope))


def _due(scope: FigureScope) -> Q:
    in_period = Q(due_at__gte=scope.span.start, due_at__lt=scope.due_before)
    return in_period & _PLANNED & ~Q(status=MaintenanceStatus.CANCELLED)


def _overdue(scope: FigureScope) -> Q:
    return Q(status__in=OPEN_STATUSES, due_at__lt=scope.now)


def _completed(tasks: Any, scope: FigureScope) -> Any:
    rows = completed(tasks, scope).annotate(
        month=TruncMonth("completed_at", tzinfo=scope.zone, output_field=DateField())
    )
    grouped = rows.values_list("robot_id", "month").annotate(
        planned=Count("pk", filter=_PLANNED),
        unplanned=Count("pk", filter=~_PLANNED),
        planned_minutes=Coalesce(Sum("actual_duration", filter=_PLANNED), 0),
        unplanned_minutes=Coalesce(Sum("actual_duration", filter=~_PLANNED), 0),
        total=Coalesce(Sum("cost"), Decimal(0)),
    )
    for robot_id, month, planned, unplanned, planned_min, unplanned_min, cost in grouped:
        found = Work(
            planned=planned,
            unplanned=unplanned,
            planned_minutes=planned_min,
            unplanned_minutes=unplanned_min,
            cost=cost,
        )
        yield robot_id, month, found


def _failures(tasks: Any, scope: FigureScope) -> Any:
    ended = Coalesce("finished_at", "completed_at")
    time = ExpressionWrapper(ended - F("created_at"), output_field=DurationField())
    rows = failures(tasks, scope).annotate(ended=ended, time=time)
    grouped = rows.values_list("robot_id").annotate(
        count=Count("pk"), restored=Count("ended"), total=Coalesce(Sum("time"), _ZERO)
    )
    for robot_id, count, restored, total in grouped:
        yield robot_id, Work(failures=count, restored=restored, restoration=total)


def _plan(tasks: Any, scope: FigureScope) -> dict[str, Any]:
    """Return compliance and backlog; one query."""
    is_due, is_overdue = _due(scope), _overdue(scope)
    age = ExpressionWrapper(scope.now - F("due_at"), output_field=DurationField())
    rows = with_days(tasks.filter(is_due | is_overdue), scope).annotate(age=age)
    found: dict[str, Any] = rows.aggregate(
        due=Count("pk", filter=is_due),
        on_time=Count("pk", filter=is_due & ON_TIME),
        overdue=Count("pk", filter=is_overdue),
        mean_age=Avg("age", filter=is_overdue),
        max_age=Max("age", filter=is_overdue),
    )
    return found
