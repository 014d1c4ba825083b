"""What a manager of maintenance sees on Home besides the due tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, IntegerField, Q, Sum, UUIDField, Value
from django.db.models.functions import Cast, Coalesce

from apps.accounts.models import User
from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceTask, Part, WorkRequest
from urfmp.common.time.local import start_of_day

_WEEK = timedelta(days=7)
_MAX_USERS = 8
_NUMBER = DecimalField(max_digits=20, decimal_places=2)


@dataclass(frozen=True)
class Workload:
    """Open tasks of one user that are due within a week.

    Attributes:
        user: User; None for tasks that are not assigned.
        tasks: Number of tasks.
        minutes: Their estimated durations, added up.
    """

    user: User | None
    tasks: int
    minutes: int

    @property
    def time(self) -> timedelta:
        """Estimated time of the tasks."""
        return timedelta(minutes=self.minutes)


@dataclass(frozen=True)
class ManagerOverview:
    """Numbers of a manager's Home.

    Attributes:
        cost: Cost of the tasks completed in this local month.
        low_parts: Parts below their minimum quantity.
        waiting_requests: Work requests that wait for review.
        workloads: Users with the most tasks first, at most eight.
    """

    cost: Decimal = Decimal(0)
    low_parts: int = 0
    waiting_requests: int = 0
    workloads: list[Workload] = field(default_factory=list)


def manager_overview(user: Any, now: datetime, zone: tzinfo) -> ManagerOverview | None:
    """Return the numbers of a manager's Home; None for other roles.

    Runs two queries.

    Args:
        user: User that opens Home.
        now: Time of the page.
        zone: Timezone of the month.
    """
    if not user.has_perm("maintenance.approve_maintenancetask"):
        return None
    numbers: dict[str, Decimal] = {}
    loads: list[tuple[Any, int, int]] = []
    rows = _cost(user, now, zone).union(_low(user), _waiting(user), _loads(user, now), all=True)
    for kind, key, number, minutes in rows:
        if kind == "load":
            loads.append((key, int(number), minutes))
        else:
            numbers[kind] = number
    loads.sort(key=lambda load: (-load[1], str(load[0])))
    users = User.objects.in_bulk([key for key, _, _ in loads[:_MAX_USERS] if key is not None])
    return ManagerOverview(
        cost=numbers.get("cost", Decimal(0)),
        low_parts=int(numbers.get("low", 0)),
        waiting_requests=int(numbers.get("waiting", 0)),
        workloads=[
            Workload(users.get(key) if key else None, tasks, minutes)
            for key, tasks, minutes in loads[:_MAX_USERS]
        ],
    )


def _summed(rows: Any, kind: str, number: Any) -> Any:
    """Return one row of the union: kind, no key, number, no minutes."""
    labelled = rows.order_by().annotate(kind=Value(kind), key=Cast(Value(None), UUIDField()))
    grouped = labelled.values("kind", "key").annotate(
        number=Cast(number, _NUMBER), minutes=Value(0, IntegerField())
    )
    return grouped.values_list("kind", "key", "number", "minutes")


def _cost(user: Any, now: datetime, zone: tzinfo) -> Any:
    first = now.astimezone(zone).date().replace(day=1)
    done = MaintenanceTask.objects.restrict(user).filter(
        status=MaintenanceStatus.COMPLETED, completed_at__gte=start_of_day(first, zone)
    )
    return _summed(done, "cost", Coalesce(Sum("cost"), Decimal(0)))


def _low(user: Any) -> Any:
    low = Part.objects.restrict(user).low_stock().values("pk")
    return _summed(Part.objects.filter(pk__in=low), "low", Count("pk"))


def _waiting(user: Any) -> Any:
    return _summed(WorkRequest.objects.restrict(user).waiting(), "waiting", Count("pk"))


def _loads(user: Any, now: datetime) -> Any:
    rows = MaintenanceTask.objects.restrict(user).open().order_by()
    near = rows.filter(Q(due_at__lt=now + _WEEK) | Q(status=MaintenanceStatus.IN_PROGRESS))
    grouped = (
        near.annotate(kind=Value("load"))
        .values("kind", "assigned_to_id")
        .annotate(number=Cast(Count("pk"), _NUMBER), minutes=Coalesce(Sum("estimated_duration"), 0))
    )
    return grouped.values_list("kind", "assigned_to_id", "number", "minutes")
