from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import models

from apps.organizations.choices import MaintenanceType


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
    APPROVAL = "approval", "To approve"
    DONE = "done", "Done"
    ALL = "all", "All"


class MaintenanceAction(StrEnum):
    """Action on a task."""

    UPDATE = "update"
    RESCHEDULE = "reschedule"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    JOIN = "join"
    LEAVE = "leave"
    RECORD_STEP = "record_step"
    COMPLETE = "complete"
    APPROVE = "approve"
    SEND_BACK = "send_back"
    CANCEL = "cancel"
    CORRECT_DURATION = "correct_duration"
    REOPEN = "reopen"
    MARK_OVERDUE = "mark_overdue"


CLOSED_STATUSES = (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED)
# Listed rather than excluded, so that queries use the index on the status.
OPEN_STATUSES = tuple(status for status in MaintenanceStatus if status not in CLOSED_STATUSES)


@dataclass(frozen=True)
class Transition:
    """Statuses around an action.

    Attributes:
        sources: Statuses in which the action is allowed.
        targets: Statuses that the action may set; empty if it keeps the status.
    """

    sources: frozenset[MaintenanceStatus]
    targets: frozenset[MaintenanceStatus] = frozenset()


_S = MaintenanceStatus
# The life of a task, for the admin, the API and the services. A trigger enforces the same changes
# of the status (SQL function `is_task_transition`).
TRANSITIONS: Mapping[MaintenanceAction, Transition] = {
    # Finished work is not changed while another user checks it.
    MaintenanceAction.UPDATE: Transition(frozenset(OPEN_STATUSES) - {_S.REQUIRES_APPROVAL}),
    # Part of an update that moves the due time of an overdue task into the future.
    MaintenanceAction.RESCHEDULE: Transition(frozenset({_S.OVERDUE}), frozenset({_S.SCHEDULED})),
    MaintenanceAction.START: Transition(
        frozenset({_S.SCHEDULED, _S.PENDING, _S.OVERDUE}), frozenset({_S.IN_PROGRESS})
    ),
    MaintenanceAction.HOLD: Transition(frozenset({_S.IN_PROGRESS}), frozenset({_S.ON_HOLD})),
    MaintenanceAction.RESUME: Transition(frozenset({_S.ON_HOLD}), frozenset({_S.IN_PROGRESS})),
    MaintenanceAction.JOIN: Transition(frozenset({_S.IN_PROGRESS})),
    MaintenanceAction.LEAVE: Transition(frozenset({_S.IN_PROGRESS})),
    MaintenanceAction.RECORD_STEP: Transition(frozenset({_S.IN_PROGRESS})),
    MaintenanceAction.COMPLETE: Transition(
        frozenset({_S.IN_PROGRESS}), frozenset({_S.COMPLETED, _S.REQUIRES_APPROVAL})
    ),
    MaintenanceAction.APPROVE: Transition(
        frozenset({_S.REQUIRES_APPROVAL}), frozenset({_S.COMPLETED})
    ),
    MaintenanceAction.SEND_BACK: Transition(
        frozenset({_S.REQUIRES_APPROVAL}), frozenset({_S.PENDING})
    ),
    MaintenanceAction.CANCEL: Transition(frozenset(OPEN_STATUSES), frozenset({_S.CANCELLED})),
    MaintenanceAction.CORRECT_DURATION: Transition(frozenset({_S.COMPLETED})),
    MaintenanceAction.REOPEN: Transition(frozenset({_S.COMPLETED}), frozenset({_S.PENDING})),
    MaintenanceAction.MARK_OVERDUE: Transition(
        frozenset({_S.SCHEDULED, _S.PENDING}), frozenset({_S.OVERDUE})
    ),
}


def allows(action: MaintenanceAction, status: str | None) -> bool:
    """Return whether a status allows an action; NULL counts as scheduled."""
    return (status or MaintenanceStatus.SCHEDULED) in TRANSITIONS[action].sources


def may_follow(status: str | None, after: str) -> bool:
    """Return whether a status may follow; NULL counts as scheduled."""
    return any(
        allows(action, status) and after in transition.targets
        for action, transition in TRANSITIONS.items()
    )


class TaskEventKind(models.TextChoices):
    """What happened to a task."""

    STARTED = "started", "Started"
    HELD = "held", "Put on hold"
    RESUMED = "resumed", "Resumed"
    SUBMITTED = "submitted", "Finished, waits for approval"
    APPROVED = "approved", "Approved"
    SENT_BACK = "sent_back", "Sent back"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    REOPENED = "reopened", "Reopened"
    OVERDUE = "overdue", "Overdue"
    COMMENTED = "commented", "Commented"
    JOINED = "joined", "Joined the work"
    LEFT = "left", "Left the work"
    DURATION_CORRECTED = "duration_corrected", "Duration corrected"


class FailureCode(models.TextChoices):
    """What failed."""

    MECHANICAL = "mechanical", "Mechanical"
    DRIVE = "drive", "Motor, drive or gearbox"
    ELECTRICAL = "electrical", "Electrical"
    CABLE = "cable", "Cable or connector"
    SENSOR = "sensor", "Sensor"
    TOOL = "tool", "Tool or gripper"
    BATTERY = "battery", "Battery or charging"
    PNEUMATIC = "pneumatic", "Pneumatic or hydraulic"
    CONTROLLER = "controller", "Controller"
    SOFTWARE = "software", "Software or program"
    COMMUNICATION = "communication", "Communication"
    SAFETY = "safety", "Safety equipment"
    OTHER = "other", "Other"


class CauseCode(models.TextChoices):
    """Why it failed."""

    WEAR = "wear", "Wear"
    LUBRICATION = "lubrication", "Lack of lubrication"
    CONTAMINATION = "contamination", "Dirt or moisture"
    OVERLOAD = "overload", "Overload"
    COLLISION = "collision", "Collision"
    SETTINGS = "settings", "Wrong settings or calibration"
    OPERATION = "operation", "Wrong operation"
    DEFECTIVE_PART = "defective_part", "Defective part"
    EARLIER_WORK = "earlier_work", "Earlier work"
    SUPPLY = "supply", "Power, air or network"
    OTHER = "other", "Other"
    UNKNOWN = "unknown", "Unknown"


class RemedyCode(models.TextChoices):
    """How it was repaired."""

    REPLACED = "replaced", "Replaced"
    REPAIRED = "repaired", "Repaired"
    ADJUSTED = "adjusted", "Adjusted or calibrated"
    CLEANED = "cleaned", "Cleaned"
    LUBRICATED = "lubricated", "Lubricated"
    TIGHTENED = "tightened", "Tightened"
    RESTARTED = "restarted", "Restarted"
    UPDATED = "updated", "Software updated or restored"
    NO_FAULT_FOUND = "no_fault_found", "No fault found"
    OTHER = "other", "Other"


# Unplanned work, which names failure, cause and remedy when it is completed.
FAILURE_TYPES = (MaintenanceType.CORRECTIVE, MaintenanceType.EMERGENCY)

MAX_REASON_CHARS = 1000
# A year: a longer duration is a typo.
MAX_DURATION_MINUTES = 525_600
MAX_COMMENT_CHARS = 4000


class StepKind(models.TextChoices):
    """What a step of a checklist records."""

    PASS_FAIL = "pass_fail", "Pass or fail"
    NUMBER = "number", "Number"
    METER = "meter", "Meter reading"
    TEXT = "text", "Text"
    PHOTO = "photo", "Photo"


class StepOutcome(models.TextChoices):
    """Result of a step.

    A number within its limits passes, and so does a text, a reading or a photo.
    """

    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"


class FileMediaType(models.TextChoices):
    """Format of a file on a task."""

    JPEG = "image/jpeg", "JPEG"
    PNG = "image/png", "PNG"
    PDF = "application/pdf", "PDF"
    TEXT = "text/plain", "Text"


IMAGE_MEDIA_TYPES = (FileMediaType.JPEG, FileMediaType.PNG)
MAX_STEP_TEXT_CHARS = 4000


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


class PartMovementKind(models.TextChoices):
    """What a movement does to a stock."""

    RECEIVE = "receive", "Receive"
    RESERVE = "reserve", "Reserve"
    RELEASE = "release", "Release"
    USE = "use", "Use"
    RETURN = "return", "Return"
    COUNT = "count", "Count"


# Movements of a task's work; the others belong to the stock alone.
TASK_MOVEMENTS = (
    PartMovementKind.RESERVE,
    PartMovementKind.RELEASE,
    PartMovementKind.USE,
    PartMovementKind.RETURN,
)


class StockState(models.TextChoices):
    """Whether a part has to be reordered."""

    OK = "ok", "In stock"
    LOW = "low", "Low stock"
    OUT = "out", "Out of stock"


class WorkRequestStatus(models.TextChoices):
    """State of a work request."""

    WAITING = "waiting", "Waiting for review"
    ACCEPTED = "accepted", "Accepted"
    DISMISSED = "dismissed", "Dismissed"
