"""Checklists of tasks, and the files on tasks and their steps."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from apps.maintenance.choices import IMAGE_MEDIA_TYPES, FileMediaType, StepOutcome
from apps.maintenance.models.templates import ChecklistStep, step_constraints
from apps.maintenance.querysets import TaskFileQuerySet, TaskStepQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class TaskStep(ChecklistStep):
    """A step of a task's checklist, and its result.

    `outcome`, `recorded_at` and `recorded_by` are those of the last entry, and null before the
    first one. `version` counts the entries. Deleted with its task.
    """

    task = unconstrained_fk(
        "maintenance.MaintenanceTask",
        on_delete=models.DO_NOTHING,
        related_name="steps",
        editable=False,
    )
    outcome = models.CharField(  # noqa: DJ001 - NULL: not recorded
        max_length=10, choices=StepOutcome, null=True, editable=False
    )
    number = models.DecimalField(max_digits=15, decimal_places=3, null=True, editable=False)
    text = models.TextField(default="", db_default="", editable=False)
    recorded_at = models.DateTimeField(null=True, editable=False)
    recorded_by = unconstrained_fk(
        "accounts.User", null=True, db_column="recorded_by", editable=False
    )
    follow_up = unconstrained_fk(
        "maintenance.MaintenanceTask", null=True, on_delete=models.DO_NOTHING, editable=False
    )
    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    objects: ClassVar[Any] = TaskStepQuerySet.as_manager()

    class Meta(ChecklistStep.Meta):
        abstract = False
        db_table = "task_steps"
        constraints = (
            *step_constraints("task_steps", "task"),
            models.UniqueConstraint(
                fields=("organization", "id"), name="task_steps_organization_id_key"
            ),
            choices_check("task_steps", "outcome", StepOutcome),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True, recorded_at__isnull=True)
                | Q(outcome__isnull=False, recorded_at__isnull=False),
                name="task_steps_recorded_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_task_steps_organization"),
            models.Index(fields=("recorded_by",), name="idx_task_steps_recorded_by"),
            models.Index(fields=("follow_up",), name="idx_task_steps_follow_up"),
        )


class TaskFile(TenantModel):
    """A photo or document of a task or of its step.

    The content is in the database, because web processes share no folder. Pictures were decoded
    and encoded anew. Deleted with its task.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    task = unconstrained_fk("maintenance.MaintenanceTask", on_delete=models.DO_NOTHING)
    step = unconstrained_fk(
        "maintenance.TaskStep", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    file_name = models.CharField(max_length=255, editable=False)
    media_type = models.CharField(max_length=20, choices=FileMediaType, editable=False)
    size_bytes = models.PositiveIntegerField(editable=False)
    width_px = models.PositiveIntegerField(null=True, editable=False)
    height_px = models.PositiveIntegerField(null=True, editable=False)
    # SHA-256 of the content in hexadecimal: its ETag.
    digest = models.CharField(max_length=64, editable=False)
    content = models.BinaryField(editable=False)
    uploaded_by = unconstrained_fk(
        "accounts.User", null=True, db_column="uploaded_by", editable=False
    )
    created_at = created_at()

    objects: ClassVar[Any] = TaskFileQuerySet.as_manager()

    class Meta:
        db_table = "task_files"
        ordering = ("created_at", "id")
        constraints = (
            choices_check("task_files", "media_type", FileMediaType),
            models.CheckConstraint(
                condition=Q(media_type__in=IMAGE_MEDIA_TYPES, width_px__gt=0, height_px__gt=0)
                | Q(width_px__isnull=True, height_px__isnull=True),
                name="task_files_size_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "created_at"), name="idx_task_files_organization"),
            models.Index(fields=("task",), name="idx_task_files_task"),
            models.Index(fields=("step",), name="idx_task_files_step"),
            models.Index(fields=("uploaded_by",), name="idx_task_files_uploaded_by"),
        )

    def __str__(self) -> str:
        return str(self.file_name)

    @property
    def is_image(self) -> bool:
        """Return whether browsers may show it."""
        return self.media_type in IMAGE_MEDIA_TYPES
