"""Facilities."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.organizations.querysets import (
    FacilityQuerySet,
)
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.tenancy.models import TenantModel
from urfmp.common.time.zones import validate_timezone


class Facility(TenantModel):
    """A place where robots work, such as a hall.

    A robot's location contains the name of its facility.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    name = NameField(max_length=255)
    timezone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[validate_timezone],
        help_text="IANA name; leave blank for the organization's timezone.",
    )
    floor_plan = models.JSONField(
        null=True, blank=True, help_text="Drawing area in metres: {width_m, height_m}."
    )
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = FacilityQuerySet.as_manager()

    class Meta:
        db_table = "facilities"
        ordering = ("name", "id")
        verbose_name_plural = "facilities"
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "name"), name="facilities_organization_name_key"
            ),
            name_check("facilities", "name"),
        )

    def __str__(self) -> str:
        return str(self.name)
