"""Maintenance tasks: planned work on robots, its state and its cost."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce

from apps.maintenance.choices import (
    OPEN_STATUSES,
    CauseCode,
    FailureCode,
    MaintenancePriority,
    MaintenanceStatus,
    RemedyCode,
)
from apps.maintenance.querysets import MaintenanceTaskQuerySet
from apps.organizations.choices import MaintenanceType
from urfmp.common.db.fields import (
    bounded_datetime_check,
    bounded_datetime_field,
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.tenancy.models import TenantModel


class MaintenanceTask(TenantModel):
    """One piece of work, on one robot or on none in particular.

    A schedule has at most one open task for each robot.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    robot = unconstrained_fk("robots.Robot", null=True, blank=True)
    schedule = models.ForeignKey(
        "maintenance.MaintenanceSchedule",
        models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # Its steps were copied; its parts and skills are those of the template now.
    template = unconstrained_fk(
        "maintenance.TaskTemplate",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        help_text="The task takes a copy of its checklist.",
    )
    title = NameField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec
    type = models.CharField(max_length=50, choices=MaintenanceType)
    priority = models.CharField(  # noqa: DJ001 - spec
        max_length=20,
        null=True,
        choices=MaintenancePriority,
        default=MaintenancePriority.MEDIUM,
        db_default=MaintenancePriority.MEDIUM,
    )
    status = models.CharField(  # noqa: DJ001 - spec
        max_length=50,
        null=True,
        choices=MaintenanceStatus,
        default=MaintenanceStatus.SCHEDULED,
        db_default=MaintenanceStatus.SCHEDULED,
        editable=False,
    )
    assigned_to = unconstrained_fk("accounts.User", null=True, blank=True, db_column="assigned_to")
    scheduled_at = bounded_datetime_field()
    due_at = bounded_datetime_field(help_text="Leave blank to use the scheduled time.")
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When and by whom the work was finished: the task is completed then, or waits for approval.
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="finished_by", editable=False
    )
    approved_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="approved_by", editable=False
    )
    hold_reason = models.TextField(default="", blank=True, db_default="", editable=False)
    estimated_duration = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Minutes."
    )
    actual_duration = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Minutes."
    )
    has_manual_duration = models.BooleanField(default=False, db_default=False, editable=False)
    failure_code = models.CharField(
        max_length=30, choices=FailureCode, default="", blank=True, db_default="", editable=False
    )
    cause_code = models.CharField(
        max_length=30, choices=CauseCode, default="", blank=True, db_default="", editable=False
    )
    remedy_code = models.CharField(
        max_length=30, choices=RemedyCode, default="", blank=True, db_default="", editable=False
    )
    locks_robot = models.BooleanField(
        "lock the robot",
        default=False,
        db_default=False,
        help_text="While the work is in progress, the robot is locked for maintenance.",
    )
    # The time of the robot's maintenance lock that belongs to this task.
    robot_locked_at = models.DateTimeField(null=True, blank=True, editable=False)
    cost = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    parts_used = models.JSONField(
        null=True, blank=True, help_text="[{part, name, quantity, unit_cost}]"
    )
    notes = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec
    created_by = unconstrained_fk("accounts.User", db_column="created_by", editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = MaintenanceTaskQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_tasks"
        ordering = ("due_at", "id")
        constraints = (
            choices_check("maintenance_tasks", "type", MaintenanceType),
            choices_check("maintenance_tasks", "priority", MaintenancePriority),
            choices_check("maintenance_tasks", "status", MaintenanceStatus),
            *(
                models.CheckConstraint(
                    condition=models.Q(**{f"{column}__in": ["", *choices.values]}),
                    name=f"maintenance_tasks_{column}_check",
                )
                for column, choices in (
                    ("failure_code", FailureCode),
                    ("cause_code", CauseCode),
                    ("remedy_code", RemedyCode),
                )
            ),
            name_check("maintenance_tasks", "title"),
            bounded_datetime_check("maintenance_tasks", "scheduled_at"),
            bounded_datetime_check("maintenance_tasks", "due_at"),
            models.UniqueConstraint(
                fields=("organization", "id"), name="maintenance_tasks_organization_id_key"
            ),
            models.CheckConstraint(
                condition=models.Q(schedule__isnull=True) | models.Q(robot__isnull=False),
                name="maintenance_tasks_schedule_robot_check",
            ),
            models.UniqueConstraint(
                fields=("schedule", "robot"),
                condition=models.Q(schedule__isnull=False)
                & (models.Q(status__isnull=True) | models.Q(status__in=OPEN_STATUSES)),
                name="maintenance_tasks_one_open_key",
            ),
        )
        indexes = (
            models.Index(fields=("robot",), name="idx_maintenance_robot"),
            models.Index(fields=("status",), name="idx_maintenance_status"),
            models.Index(fields=("scheduled_at",), name="idx_maintenance_scheduled"),
            models.Index(fields=("organization", "due_at"), name="idx_maintenance_organization"),
            models.Index(fields=("assigned_to",), name="idx_maintenance_assigned"),
            models.Index(
                fields=("organization", "due_at"),
                condition=models.Q(status__in=OPEN_STATUSES),
                name="idx_maintenance_open",
            ),
            models.Index(
                "organization",
                Coalesce("scheduled_at", "due_at"),
                name="idx_maintenance_planned",
            ),
            models.Index(fields=("created_by",), name="idx_maintenance_created_by"),
            models.Index(fields=("schedule",), name="idx_maintenance_schedule"),
            models.Index(fields=("template",), name="idx_maintenance_template"),
            models.Index(fields=("finished_by",), name="idx_maintenance_finished_by"),
            models.Index(fields=("approved_by",), name="idx_maintenance_approved_by"),
        )

    def __str__(self) -> str:
        return str(self.title)
