"""Entries of the maintenance calendar, by day."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceSchedule, MaintenanceTask

# Tasks of a day are counted up to this number.
MAX_COUNTED_TASKS = 1_000
UNASSIGNED = "none"


@dataclass(frozen=True)
class CalendarFilter:
    """What the calendar shows.

    Attributes:
        facility: Name of a facility; empty for all.
        assignee: Id of a user, `UNASSIGNED` for unassigned work, or None for all.
        type: Type of work; empty for all.
    """

    facility: str = ""
    assignee: UUID | str | None = None
    type: str = ""

    def apply(self, rows: QuerySet[Any], prefix: str = "") -> QuerySet[Any]:
        """Return the rows that match.

        Args:
            rows: Rows of a model with a robot.
            prefix: Lookup of the row that has type and assignee.
        """
        if self.facility:
            rows = rows.filter(robot__location__contains={"facility": self.facility})
        if self.type:
            rows = rows.filter(**{f"{prefix}type": self.type})
        if self.assignee == UNASSIGNED:
            return rows.filter(**{f"{prefix}assigned_to__isnull": True})
        return rows.filter(**{f"{prefix}assigned_to": self.assignee}) if self.assignee else rows


@dataclass(frozen=True)
class TaskEntry:
    """A task on its scheduled day.

    Without one, it is the day on which the task is due.
    """

    task: MaintenanceTask
    at: datetime
    is_late: bool
    is_movable: bool

    @property
    def state(self) -> MaintenanceStatus:
        """Status of the entry.

        A late task is overdue before the job marks it.
        """
        status = MaintenanceStatus(self.task.status or MaintenanceStatus.SCHEDULED)
        return MaintenanceStatus.OVERDUE if self.is_late else status

    @property
    def state_label(self) -> str:
        """Text of the status."""
        return str(self.state.label)

    @property
    def version(self) -> str:
        """Version of the task that the page shows."""
        return task_version(self.task)


@dataclass
class PlannedEntry:
    """A date of a schedule for which no task is open yet.

    Attributes:
        schedule: The schedule.
        at: Earliest time of the day.
        robots: Number of robots.
        robot_name: Name of the robot, if it is one.
    """

    schedule: MaintenanceSchedule
    at: datetime
    robots: int
    robot_name: str


@dataclass
class CalendarDay:
    """Entries of a day.

    Attributes:
        tasks: The first tasks.
        planned: The first planned dates.
        task_count: Number of tasks, at most `MAX_COUNTED_TASKS`.
        planned_count: Number of planned dates.
    """

    tasks: list[TaskEntry] = field(default_factory=list)
    planned: list[PlannedEntry] = field(default_factory=list)
    task_count: int = 0
    planned_count: int = 0

    @property
    def is_empty(self) -> bool:
        """Return whether the day has no entries."""
        return not (self.tasks or self.planned)

    @property
    def more(self) -> int:
        """Number of entries that are not shown."""
        return self.task_count + self.planned_count - len(self.tasks) - len(self.planned)

    @property
    def is_uncounted(self) -> bool:
        """Return whether the day has more tasks than are counted."""
        return self.task_count >= MAX_COUNTED_TASKS


def task_version(task: MaintenanceTask) -> str:
    """Return a value that changes with every change of a task.

    `updated_at` alone is the time at which a transaction began, so the dates are part of it.
    """
    times = (task.updated_at, task.scheduled_at, task.due_at)
    shown = [task.status, *(value and value.timestamp() for value in times)]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def task_time(task: MaintenanceTask) -> datetime | None:
    """Return the time at which the calendar shows a task."""
    at: datetime | None = task.scheduled_at or task.due_at
    return at
