"""Open tasks of one user, by when they are due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from apps.maintenance.choices import MaintenanceAction, MaintenanceStatus, allows
from apps.maintenance.models import MaintenanceTask
from urfmp.common.time.local import start_of_day

MAX_TASKS = 100
_WEEK = timedelta(days=7)
_NEXT_ACTIONS = (MaintenanceAction.START, MaintenanceAction.RESUME, MaintenanceAction.COMPLETE)
_STATES_OF_HEADINGS = (
    MaintenanceStatus.SCHEDULED,
    MaintenanceStatus.OVERDUE,
    MaintenanceStatus.IN_PROGRESS,
)


@dataclass(frozen=True)
class WorkItem:
    """A task with the actions that its status allows.

    Attributes:
        task: The task, with its robot.
        is_late: Whether its due time has passed.
        action: The admin's action that comes next; None if there is none.
        names_state: Whether the status says more than the heading.
    """

    task: MaintenanceTask
    is_late: bool
    action: MaintenanceAction | None
    names_state: bool


@dataclass
class WorkGroup:
    """Tasks under one heading."""

    title: str
    items: list[WorkItem] = field(default_factory=list)


@dataclass(frozen=True)
class MyWork:
    """What a user has to do.

    Attributes:
        groups: Tasks in progress, overdue, of today, of the next days, and later; none is empty.
        total: Number of open tasks, of which at most `MAX_TASKS` are shown.
    """

    groups: list[WorkGroup]
    total: int

    @property
    def more(self) -> int:
        """Number of tasks that are not shown."""
        return self.total - sum(len(group.items) for group in self.groups)


def my_work(user: Any) -> MyWork:
    """Return the open tasks of a user; at most two queries.

    Today ends at midnight of the active timezone. A task counts by its due time or, without one, by
    the scheduled time.
    """
    now = timezone.now()
    zone = timezone.get_current_timezone()
    tomorrow = start_of_day(now.astimezone(zone).date() + timedelta(days=1), zone)
    rows = MaintenanceTask.objects.restrict(user).open().filter(assigned_to=user)
    ordered = rows.select_related("robot").order_by(F("due_at").asc(nulls_last=True), "id")
    tasks = list(ordered[:MAX_TASKS])
    may_change = user.has_perm("maintenance.change_maintenancetask")
    groups: dict[str, WorkGroup] = {
        title: WorkGroup(title)
        for title in ("In progress", "Overdue", "Today", "Next 7 days", "Later", "Without a date")
    }
    for task in tasks:
        is_late = task.due_at is not None and task.due_at < now
        title = _group(task, is_late, (tomorrow, tomorrow + _WEEK))
        groups[title].items.append(
            WorkItem(
                task,
                is_late,
                _next_action(task) if may_change else None,
                task.status not in _STATES_OF_HEADINGS,
            )
        )
    total = len(tasks) if len(tasks) < MAX_TASKS else rows.count()
    return MyWork([group for group in groups.values() if group.items], total)


def _next_action(task: MaintenanceTask) -> MaintenanceAction | None:
    return next((action for action in _NEXT_ACTIONS if allows(action, task.status)), None)


def _group(task: MaintenanceTask, is_late: bool, limits: tuple[datetime, datetime]) -> str:
    if task.status == MaintenanceStatus.IN_PROGRESS:
        return "In progress"
    if is_late:
        return "Overdue"
    at = task.due_at or task.scheduled_at
    if at is None:
        return "Without a date"
    tomorrow, week = limits
    return "Today" if at < tomorrow else "Next 7 days" if at < week else "Later"
