"""Organizations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models

from apps.organizations.choices import Plan
from apps.organizations.models.settings import OrganizationSettings, settings_read
from apps.organizations.querysets import (
    OrganizationQuerySet,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    updated_at,
    uuid_primary_key,
    validate_one_line,
)
from urfmp.common.tenancy.models import TenantModel


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
