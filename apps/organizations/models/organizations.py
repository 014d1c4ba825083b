"""Organizations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models

from apps.organizations.choices import Plan
from apps.organizations.models.settings import OrganizationSettings, parse_settings
from apps.organizations.querysets import (
    OrganizationQuerySet,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.tenancy.models import TenantModel


def _limit_field(resources: str) -> models.PositiveIntegerField[Any, Any]:
    return models.PositiveIntegerField(
        f"max {resources}",
        null=True,
        blank=True,
        help_text="For the plan Custom; leave blank for no limit.",
    )


class Organization(TenantModel):
    """An operator of robots, whose data other organizations cannot see.

    Every row of an organization has its id. Organizations are deactivated, never deleted. Settings
    that delete data are scheduled and take effect a day later.
    """

    id = uuid_primary_key()
    name = NameField(max_length=255)
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
    robot_limit = _limit_field("robots")
    user_limit = _limit_field("users")
    api_key_limit = _limit_field("API keys")
    scheduled_settings = models.JSONField(null=True, blank=True, editable=False)
    scheduled_settings_at = models.DateTimeField(null=True, blank=True, editable=False)
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
            name_check("organizations", "name"),
            models.CheckConstraint(
                condition=models.Q(
                    scheduled_settings__isnull=True, scheduled_settings_at__isnull=True
                )
                | models.Q(scheduled_settings__isnull=False, scheduled_settings_at__isnull=False),
                name="organizations_scheduled_settings_check",
            ),
        )
        indexes = (
            models.Index(fields=("slug",), name="idx_organizations_slug"),
            models.Index(fields=("plan",), name="idx_organizations_plan"),
        )

    def __str__(self) -> str:
        return str(self.name)

    @property
    def effective_settings(self) -> OrganizationSettings:
        """The parsed settings, with defaults for missing keys."""
        return parse_settings(self.settings)

    @property
    def scheduled_retention(self) -> dict[str, int]:
        """The scheduled retention periods in days, by key of the settings."""
        return dict(self.scheduled_settings or {})

    @property
    def timezone(self) -> str:
        """IANA name of the timezone in which pages show times."""
        return self.effective_settings.timezone
