"""Floor plans of facilities."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.organizations.choices import PlanMediaType
from apps.organizations.models.calibration import Calibration
from apps.organizations.querysets import FloorPlanQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class FloorPlan(TenantModel):
    """The plan of a facility, on which its robots are drawn.

    The picture is the converted upload, in the database, because web processes share no folder.
    Coordinates are known once two of its points are calibrated. Deleted with its facility.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    facility = unconstrained_fk(
        "organizations.Facility", on_delete=models.DO_NOTHING, editable=False
    )
    file_name = models.CharField(max_length=255, editable=False)
    media_type = models.CharField(max_length=20, choices=PlanMediaType, editable=False)
    width_px = models.PositiveIntegerField(editable=False)
    height_px = models.PositiveIntegerField(editable=False)
    # SHA-256 of the picture in hexadecimal: its version in addresses and ETags.
    digest = models.CharField(max_length=64, editable=False)
    picture = models.BinaryField(editable=False)
    # A `Calibration`; null until it is set.
    calibration = models.JSONField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = FloorPlanQuerySet.as_manager()

    class Meta:
        db_table = "floor_plans"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "facility"), name="floor_plans_organization_facility_key"
            ),
            choices_check("floor_plans", "media_type", PlanMediaType),
            models.CheckConstraint(
                condition=models.Q(width_px__gt=0, height_px__gt=0), name="floor_plans_size_check"
            ),
        )
        indexes = (models.Index(fields=("facility",), name="idx_floor_plans_facility"),)

    def __str__(self) -> str:
        return str(self.file_name)

    @property
    def solved_calibration(self) -> Calibration | None:
        """The calibration; None until it is set."""
        return None if self.calibration is None else Calibration.from_document(self.calibration)
