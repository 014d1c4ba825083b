"""Maintenance schedules, and what they remember of each robot."""

from __future__ import annotations

from datetime import time
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.maintenance.choices import (
    Frequency,
    MaintenancePriority,
    ScheduleAnchor,
    Weekday,
)
from apps.maintenance.querysets import MaintenanceScheduleQuerySet, MaintenanceScheduleStateQuerySet
from apps.organizations.choices import MaintenanceType
from urfmp.common.db.fields import (
    TransactionTimestamp,
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import (
    IdentifierField,
    NameField,
    identifier_check,
    name_check,
)
from urfmp.common.tenancy.models import TenantModel

# Ten years, in the unit of each frequency.
MAX_INTERVAL = {
    Frequency.DAILY: 3_660,
    Frequency.WEEKLY: 520,
    Frequency.MONTHLY: 120,
    Frequency.YEARLY: 10,
}
MAX_RUNNING_HOURS = 100_000
MAX_LEAD_DAYS = 365
MIN_START_YEAR = 2000
MAX_START_YEAR = 2100
DEFAULT_TIME_OF_DAY = time(8)


def _range_check(column: str, low: int, high: int) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{column}__range": (low, high)}),
        name=f"maintenance_schedules_{column}_range_check",
    )


class MaintenanceSchedule(TenantModel):
    """A plan that opens maintenance tasks when work is due.

    It applies to one robot, or to all robots of a model that are in service. Work is due by the
    calendar or by running hours, whichever is first. The calendar is the local time of the robot's
    facility. An inactive schedule opens no tasks.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    title = NameField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - as the task's
    type = models.CharField(
        max_length=50,
        choices=MaintenanceType,
        default=MaintenanceType.PREVENTIVE,
        db_default=MaintenanceType.PREVENTIVE,
    )
    priority = models.CharField(
        max_length=20,
        choices=MaintenancePriority,
        default=MaintenancePriority.MEDIUM,
        db_default=MaintenancePriority.MEDIUM,
    )
    assigned_to = unconstrained_fk("accounts.User", null=True, blank=True, db_column="assigned_to")
    template = unconstrained_fk(
        "maintenance.TaskTemplate",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        help_text="Its tasks take a copy of the checklist.",
    )
    estimated_duration = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Minutes."
    )
    robot = unconstrained_fk(
        "robots.Robot", null=True, blank=True, help_text="Leave blank for all robots of a model."
    )
    vendor = IdentifierField(max_length=50, null=True, blank=True)
    model = IdentifierField(
        max_length=100,
        null=True,
        blank=True,
        help_text="With the vendor: all robots of this model that are in service.",
    )
    frequency = models.CharField(  # noqa: DJ001 - NULL: no calendar
        max_length=10, choices=Frequency, null=True, blank=True
    )
    interval = models.PositiveIntegerField(
        default=1, db_default=1, validators=[MinValueValidator(1)]
    )
    weekdays = ArrayField(
        models.CharField(max_length=9, choices=Weekday),
        default=list,
        db_default=[],
        blank=True,
        help_text="For weeks only. Leave blank for the weekday of the start.",
    )
    month_day = models.PositiveSmallIntegerField(
        "day of the month",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="For months only; shorter months use their last day.",
    )
    starts_on = models.DateField(null=True, blank=True, help_text="First day of the calendar.")
    time_of_day = models.TimeField(
        default=DEFAULT_TIME_OF_DAY,
        db_default=DEFAULT_TIME_OF_DAY,
        help_text="Local time of the robot's facility.",
    )
    calendar_anchor = models.CharField(
        "calendar counts from",
        max_length=10,
        choices=ScheduleAnchor,
        default=ScheduleAnchor.FIXED,
        db_default=ScheduleAnchor.FIXED,
    )
    running_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RUNNING_HOURS)],
        help_text="Hours in the status Running, from the status history.",
    )
    running_hours_anchor = models.CharField(
        "running hours count from",
        max_length=10,
        choices=ScheduleAnchor,
        default=ScheduleAnchor.FLOATING,
        db_default=ScheduleAnchor.FLOATING,
    )
    lead_days = models.PositiveIntegerField(
        "lead time, days",
        default=7,
        db_default=7,
        validators=[MaxValueValidator(MAX_LEAD_DAYS)],
        help_text="A task opens this long before its date. When the running hours are reached, it"
        " opens at once and is due after this time.",
    )
    is_active = models.BooleanField("active", default=True, db_default=True)
    created_by = unconstrained_fk("accounts.User", db_column="created_by", editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = MaintenanceScheduleQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_schedules"
        ordering = ("title", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "id"), name="maintenance_schedules_organization_id_key"
            ),
            name_check("maintenance_schedules", "title"),
            identifier_check("maintenance_schedules", "vendor"),
            identifier_check("maintenance_schedules", "model"),
            choices_check("maintenance_schedules", "type", MaintenanceType),
            choices_check("maintenance_schedules", "priority", MaintenancePriority),
            choices_check("maintenance_schedules", "frequency", Frequency),
            choices_check("maintenance_schedules", "calendar_anchor", ScheduleAnchor),
            choices_check("maintenance_schedules", "running_hours_anchor", ScheduleAnchor),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=Weekday.values),
                name="maintenance_schedules_weekdays_check",
            ),
            models.CheckConstraint(
                condition=Q(interval__gte=1)
                & (
                    Q(frequency__isnull=True)
                    | Q(frequency=Frequency.DAILY, interval__lte=MAX_INTERVAL[Frequency.DAILY])
                    | Q(frequency=Frequency.WEEKLY, interval__lte=MAX_INTERVAL[Frequency.WEEKLY])
                    | Q(frequency=Frequency.MONTHLY, interval__lte=MAX_INTERVAL[Frequency.MONTHLY])
                    | Q(frequency=Frequency.YEARLY, interval__lte=MAX_INTERVAL[Frequency.YEARLY])
                ),
                name="maintenance_schedules_interval_range_check",
                violation_error_message="The interval must be ten years at most.",
            ),
            _range_check("month_day", 1, 31),
            _range_check("running_hours", 1, MAX_RUNNING_HOURS),
            _range_check("lead_days", 0, MAX_LEAD_DAYS),
            models.CheckConstraint(
                condition=Q(
                    starts_on__gte=f"{MIN_START_YEAR}-01-01",
                    starts_on__lt=f"{MAX_START_YEAR}-01-01",
                ),
                name="maintenance_schedules_starts_on_check",
            ),
            models.CheckConstraint(
                condition=Q(robot__isnull=False, vendor__isnull=True, model__isnull=True)
                | Q(robot__isnull=True, vendor__isnull=False, model__isnull=False),
                name="maintenance_schedules_target_check",
                violation_error_message="Select a robot, or enter a vendor and a model.",
            ),
            models.CheckConstraint(
                condition=Q(frequency__isnull=False, starts_on__isnull=False)
                | Q(frequency__isnull=True, starts_on__isnull=True, running_hours__isnull=False),
                name="maintenance_schedules_legs_check",
                violation_error_message="Set the calendar, the running hours, or both.",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "title"), name="idx_schedules_organization"),
            models.Index(fields=("robot",), name="idx_schedules_robot"),
            models.Index(fields=("assigned_to",), name="idx_schedules_assigned"),
            models.Index(fields=("template",), name="idx_schedules_template"),
            models.Index(fields=("created_by",), name="idx_schedules_created_by"),
        )

    def __str__(self) -> str:
        return str(self.title)


class MaintenanceScheduleState(TenantModel):
    """Anchors of the next due date of a schedule, for one robot.

    The planner creates it, and deletes nothing. `check_at` is the earliest time at which a task may
    have to open; it is NULL while a task is open. Running time is `carried_seconds` plus the time
    in the status Running since `counted_from`; a negative carry postpones the next due date.
    `running_seconds` is the last measurement, for pages.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    schedule = models.ForeignKey(
        MaintenanceSchedule,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )
    robot = unconstrained_fk("robots.Robot", editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    last_due_at = models.DateTimeField(null=True, editable=False)
    last_closed_at = models.DateTimeField(null=True, editable=False)
    counted_from = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)
    carried_seconds = models.BigIntegerField(default=0, db_default=0, editable=False)
    running_seconds = models.BigIntegerField(default=0, db_default=0, editable=False)
    check_at = models.DateTimeField(null=True, db_default=TransactionTimestamp(), editable=False)
    created_at = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)

    objects: ClassVar[Any] = MaintenanceScheduleStateQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_schedule_states"
        ordering = (F("due_at").asc(nulls_last=True), "id")
        constraints = (
            models.UniqueConstraint(
                fields=("schedule", "robot"), name="maintenance_schedule_states_robot_key"
            ),
        )
        indexes = (
            models.Index(fields=("organization", "check_at"), name="idx_schedule_states_check"),
            models.Index(fields=("robot",), name="idx_schedule_states_robot"),
        )

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.robot_id}"
