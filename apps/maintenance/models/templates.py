"""Templates of tasks: their checklist, their parts and what the work needs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from apps.maintenance.choices import MaintenancePriority, StepKind
from apps.maintenance.models.parts import MAX_QUANTITY, quantity_field
from apps.maintenance.querysets import (
    TaskTemplateQuerySet,
    TemplatePartQuerySet,
    TemplateStepQuerySet,
)
from apps.organizations.choices import MaintenanceType
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import IdentifierField, NameField, identifier_check, name_check
from urfmp.common.tenancy.models import TenantModel

SAME_TITLE_MESSAGE = "A template with this title already exists."
MAX_STEPS = 100
MAX_PARTS = 50
MAX_SKILLS = 20
MAX_SKILL_CHARS = 50


class TaskTemplate(TenantModel):
    """What tasks of one kind have in common.

    A task takes a copy of the steps: later changes of the template do not change it. Inactive
    templates are not offered for new tasks.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    title = NameField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - as the task's
    type = models.CharField(max_length=50, choices=MaintenanceType)
    priority = models.CharField(
        max_length=20,
        choices=MaintenancePriority,
        default=MaintenancePriority.MEDIUM,
        db_default=MaintenancePriority.MEDIUM,
    )
    estimated_duration = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Minutes."
    )
    skills = ArrayField(
        models.CharField(max_length=MAX_SKILL_CHARS),
        default=list,
        db_default=[],
        blank=True,
        help_text="What the technician must be trained for, separated by commas.",
    )
    is_active = models.BooleanField("active", default=True, db_default=True)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = TaskTemplateQuerySet.as_manager()

    class Meta:
        db_table = "task_templates"
        ordering = ("title", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "title"), name="task_templates_organization_title_key"
            ),
            models.UniqueConstraint(
                fields=("organization", "id"), name="task_templates_organization_id_key"
            ),
            choices_check("task_templates", "type", MaintenanceType),
            choices_check("task_templates", "priority", MaintenancePriority),
            name_check("task_templates", "title"),
        )

    def __str__(self) -> str:
        return str(self.title)


class ChecklistStep(TenantModel):
    """What templates and tasks have of each step."""

    id = uuid_primary_key()
    organization = organization_fk()
    position = models.PositiveSmallIntegerField(editable=False)
    title = NameField(max_length=255)
    kind = models.CharField(max_length=20, choices=StepKind)
    unit = IdentifierField(max_length=20, null=True, blank=True)
    minimum = models.DecimalField(max_digits=15, decimal_places=3, null=True, blank=True)
    maximum = models.DecimalField(max_digits=15, decimal_places=3, null=True, blank=True)
    is_required = models.BooleanField("required", default=True, db_default=True)

    class Meta:
        abstract = True
        ordering = ("position",)

    def __str__(self) -> str:
        return str(self.title)


def step_constraints(table: str, parent: str) -> tuple[Any, ...]:
    """Return the constraints that the steps of templates and tasks share.

    Args:
        table: Name of the table.
        parent: Field of the template or task.
    """
    return (
        models.UniqueConstraint(fields=(parent, "position"), name=f"{table}_position_key"),
        choices_check(table, "kind", StepKind),
        name_check(table, "title"),
        identifier_check(table, "unit"),
        models.CheckConstraint(
            condition=Q(kind=StepKind.NUMBER) | Q(minimum__isnull=True, maximum__isnull=True),
            name=f"{table}_limits_check",
            violation_error_message="Only a number has limits.",
        ),
        models.CheckConstraint(
            condition=Q(maximum__gte=F("minimum")),
            name=f"{table}_limits_order_check",
            violation_error_message="The upper limit is below the lower one.",
        ),
    )


class TemplateStep(ChecklistStep):
    """A step of a template's checklist; deleted with its template."""

    template = unconstrained_fk(
        "maintenance.TaskTemplate",
        on_delete=models.DO_NOTHING,
        related_name="steps",
        editable=False,
    )

    objects: ClassVar[Any] = TemplateStepQuerySet.as_manager()

    class Meta(ChecklistStep.Meta):
        abstract = False
        db_table = "task_template_steps"
        constraints = step_constraints("task_template_steps", "template")
        indexes = (models.Index(fields=("organization",), name="idx_template_steps_owner"),)


class TemplatePart(TenantModel):
    """A part that the work needs; deleted with its template."""

    id = uuid_primary_key()
    organization = organization_fk()
    template = unconstrained_fk(
        "maintenance.TaskTemplate",
        on_delete=models.DO_NOTHING,
        related_name="parts",
        editable=False,
    )
    part = unconstrained_fk("maintenance.Part")
    quantity = quantity_field()

    objects: ClassVar[Any] = TemplatePartQuerySet.as_manager()

    class Meta:
        db_table = "task_template_parts"
        ordering = ("part__number",)
        constraints = (
            models.UniqueConstraint(
                fields=("template", "part"), name="task_template_parts_part_key"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=Decimal(0), quantity__lte=MAX_QUANTITY),
                name="task_template_parts_quantity_range_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_template_parts_owner"),
            models.Index(fields=("part",), name="idx_template_parts_part"),
        )

    def __str__(self) -> str:
        return str(self.part)
