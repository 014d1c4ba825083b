from __future__ import annotations

from enum import StrEnum

from django.db import models


class MaintenanceType(models.TextChoices):
    """Kind of work."""

    PREVENTIVE = "preventive", "Preventive"
    CORRECTIVE = "corrective", "Corrective"
    PREDICTIVE = "predictive", "Predictive"
    CONDITION_BASED = "condition_based", "Condition-based"
    EMERGENCY = "emergency", "Emergency"
    CALIBRATION = "calibration", "Calibration"
    INSPECTION = "inspection", "Inspection"
    CLEANING = "cleaning", "Cleaning"
    LUBRICATION = "lubrication", "Lubrication"
    REPLACEMENT = "replacement", "Replacement"
    UPGRADE = "upgrade", "Upgrade"
    CUSTOM = "custom", "Custom"


class MaintenancePriority(models.TextChoices):
    """Priority of a task, lowest first."""

    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class MaintenanceStatus(models.TextChoices):
    """State of a task."""

    SCHEDULED = "scheduled", "Scheduled"
    PENDING = "pending", "Pending"
    IN_PROGRESS = "in_progress", "In progress"
    ON_HOLD = "on_hold", "On hold"
    REQUIRES_APPROVAL = "requires_approval", "Requires approval"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    OVERDUE = "overdue", "Overdue"


class TaskTab(models.TextChoices):
    """Tab of the task list."""

    OPEN = "open", "Open"
    MINE = "mine", "Mine"
    OVERDUE = "overdue", "Overdue"
    DONE = "done", "Done"
    ALL = "all", "All"


class MaintenanceAction(StrEnum):
    """Action on a task."""

    UPDATE = "update"
    START = "start"
    COMPLETE = "complete"
    CANCEL = "cancel"
    MARK_OVERDUE = "mark_overdue"


CLOSED_STATUSES = (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED)
# Listed rather than excluded, so that queries use the index on the status.
OPEN_STATUSES = tuple(status for status in MaintenanceStatus if status not in CLOSED_STATUSES)

# The statuses in which each action is allowed, for the admin, the API and the services.
TRANSITIONS: dict[MaintenanceAction, frozenset[MaintenanceStatus]] = {
    MaintenanceAction.UPDATE: frozenset(OPEN_STATUSES),
    MaintenanceAction.START: frozenset(
        {
            MaintenanceStatus.SCHEDULED,
            MaintenanceStatus.PENDING,
            MaintenanceStatus.OVERDUE,
            MaintenanceStatus.ON_HOLD,
        }
    ),
    MaintenanceAction.COMPLETE: frozenset({MaintenanceStatus.IN_PROGRESS}),
    MaintenanceAction.CANCEL: frozenset(OPEN_STATUSES),
    MaintenanceAction.MARK_OVERDUE: frozenset(
        {MaintenanceStatus.SCHEDULED, MaintenanceStatus.PENDING}
    ),
}


def allows(action: MaintenanceAction, status: str | None) -> bool:
    """Return whether a status allows an action; NULL counts as scheduled."""
    return (status or MaintenanceStatus.SCHEDULED) in TRANSITIONS[action]


class Frequency(models.TextChoices):
    """Unit of a schedule's calendar: the interval counts it."""

    DAILY = "daily", "Days"
    WEEKLY = "weekly", "Weeks"
    MONTHLY = "monthly", "Months"
    YEARLY = "yearly", "Years"


class Weekday(models.TextChoices):
    """Day of the week, from Monday."""

    MONDAY = "monday", "Monday"
    TUESDAY = "tuesday", "Tuesday"
    WEDNESDAY = "wednesday", "Wednesday"
    THURSDAY = "thursday", "Thursday"
    FRIDAY = "friday", "Friday"
    SATURDAY = "saturday", "Saturday"
    SUNDAY = "sunday", "Sunday"


class ScheduleAnchor(models.TextChoices):
    """What a schedule counts from after a task is closed."""

    FIXED = "fixed", "The planned date, whenever the work is done"
    FLOATING = "floating", "The day on which the work is done"
