"""Tenants, and the places in which their robots stand."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models

from apps.organizations.choices import Plan
from apps.organizations.querysets import (
    FacilityQuerySet,
    OrganizationQuerySet,
    PlatformOrganizationQuerySet,
)
from apps.organizations.settings_schema import (
    OrganizationSettings,
    settings_read,
    validate_timezone,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_key,
    updated_at,
    uuid_primary_key,
    validate_one_line,
)
from urfmp.common.tenancy.querysets import TenantModel


def _limit(what: str) -> models.PositiveIntegerField[Any, Any]:
    return models.PositiveIntegerField(
        f"most {what}",
        null=True,
        blank=True,
        help_text="With the plan Custom; empty for any number.",
    )


class Organization(TenantModel):
    """A tenant. Everything that belongs to it carries its id; it is deactivated, never deleted."""

    id = uuid_primary_key()
    name = models.CharField(max_length=255, validators=[validate_one_line])
    slug = models.CharField(
        max_length=100,
        validators=[
            RegexValidator(
                r"^[a-z0-9]+(-[a-z0-9]+)*$", "Use lower-case letters, digits and dashes."
            )
        ],
    )
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec
    settings = models.JSONField(
        null=True, blank=True, default=dict, db_default=models.Value({}, models.JSONField())
    )
    plan = models.CharField(  # noqa: DJ001 - spec
        max_length=50, null=True, choices=Plan, default=Plan.FREE, db_default=Plan.FREE
    )
    robot_limit = _limit("robots")
    user_limit = _limit("people")
    api_key_limit = _limit("API keys")
    is_active = models.BooleanField("active", null=True, default=True, db_default=True)
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[Any] = OrganizationQuerySet.as_manager()

    class Meta:
        db_table = "organizations"
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(fields=("slug",), name="organizations_slug_key"),
            choices_check("organizations", "plan", Plan),
        )
        indexes = (
            models.Index(fields=("slug",), name="idx_organizations_slug"),
            models.Index(fields=("plan",), name="idx_organizations_plan"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def effective_settings(self) -> OrganizationSettings:
        """The settings with their types, and with the default for what is not set."""
        return settings_read(self.settings)

    @property
    def timezone(self) -> str:
        """The IANA name of the timezone in which pages show times."""
        return self.effective_settings.timezone


class Facility(TenantModel):
    """A place with robots in it: a plant, a hall. Robots name it in their location."""

    id = uuid_primary_key()
    organization = organization_key()
    name = models.CharField(max_length=255, validators=[validate_one_line])
    timezone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[validate_timezone],
        help_text="IANA name; empty means the organization's.",
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
        )

    def __str__(self) -> str:
        return self.name


class PlatformOrganization(models.Model):
    """A tenant as the platform's super admins see it in their list: its name and its numbers.

    A view over a function of the tables' owner, which answers nobody else. Written by nothing.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=255)
    slug = models.CharField(max_length=100)
    plan = models.CharField(max_length=50, choices=Plan)
    is_active = models.BooleanField("active")
    created_at = models.DateTimeField()
    robot_count = models.BigIntegerField("robots")
    user_count = models.BigIntegerField("people")
    api_key_count = models.BigIntegerField("API keys")

    objects: ClassVar[Any] = PlatformOrganizationQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "platform_organizations"
        ordering = ("name", "id")
        verbose_name = "organization"

    def __str__(self) -> str:
        return self.name
