"""Robots."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.organizations.models.settings import (
    MAX_OFFLINE_AFTER_SECONDS,
    MIN_OFFLINE_AFTER_SECONDS,
)
from apps.robots.choices import (
    Lifecycle,
    ReportedStatus,
    RobotStatus,
    ServiceState,
    vendor_label,
)
from apps.robots.querysets import (
    RobotQuerySet,
)
from urfmp.common.db.fields import (
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
from urfmp.common.security.encrypted_columns import EncryptedJson
from urfmp.common.tenancy.models import TenantModel


class Robot(TenantModel):
    """A robot of one organization.

    A robot is retired (`is_active` false), never deleted, so that its history remains.

    `status` is the effective status: the stop latch first, then the maintenance lock, then offline
    for a robot without recent messages, then `reported_status`. Services maintain it; a trigger
    writes each change to the status history. `reported_at` is the time of the newest report, by the
    robot's clock. `presence_lost_at` is set while the robot's connection is known to be lost.
    Until `lease_expires_at`, commands that move the robot come from `lease_user`.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    name = NameField(max_length=255)
    model = IdentifierField(max_length=100, null=True, blank=True)
    vendor = IdentifierField(
        max_length=50, help_text="universal_robots, kuka, abb, …; or one of your own."
    )
    serial_number = IdentifierField(max_length=100, null=True, blank=True)
    firmware_version = IdentifierField(max_length=50, null=True, blank=True)
    status = models.CharField(  # noqa: DJ001 - spec
        max_length=50,
        null=True,
        choices=RobotStatus,
        default=RobotStatus.OFFLINE,
        db_default=RobotStatus.OFFLINE,
        editable=False,
    )
    reported_status = models.CharField(
        max_length=50,
        choices=ReportedStatus,
        default=ReportedStatus.ONLINE,
        db_default=ReportedStatus.ONLINE,
        editable=False,
    )
    reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    lifecycle = models.CharField(
        max_length=20, choices=Lifecycle, default=Lifecycle.ACTIVE, db_default=Lifecycle.ACTIVE
    )
    stop_latched_at = models.DateTimeField(null=True, blank=True, editable=False)
    maintenance_locked_at = models.DateTimeField(null=True, blank=True, editable=False)
    lease_user = unconstrained_fk("accounts.User", null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    location = models.JSONField(
        null=True, blank=True, help_text="{facility, area, cell, coordinates}"
    )
    configuration = models.JSONField(
        default=dict,
        blank=True,
        help_text="{axes, payload (kg), reach (mm), capabilities, customSettings}",
    )
    connection_config = models.JSONField(null=True, blank=True, editable=False)
    last_seen = models.DateTimeField(null=True, blank=True, editable=False)
    presence_lost_at = models.DateTimeField(null=True, blank=True, editable=False)
    offline_after_seconds = models.PositiveIntegerField(
        "offline after, seconds",
        null=True,
        blank=True,
        validators=[
            MinValueValidator(MIN_OFFLINE_AFTER_SECONDS),
            MaxValueValidator(MAX_OFFLINE_AFTER_SECONDS),
        ],
        help_text="Time without contact after which the robot is offline. Leave blank for the"
        " setting of the organization.",
    )
    is_active = models.BooleanField("active", null=True, default=True, db_default=True)
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = created_at()
    updated_at = updated_at()

    encrypted_columns: ClassVar = (EncryptedJson("connection_config"),)

    objects: ClassVar[Any] = RobotQuerySet.as_manager()

    class Meta:
        db_table = "robots"
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "id"), name="robots_organization_id_key"
            ),
            models.UniqueConstraint(
                fields=("organization", "serial_number"), name="robots_organization_serial_key"
            ),
            choices_check("robots", "status", RobotStatus),
            choices_check("robots", "reported_status", ReportedStatus),
            choices_check("robots", "lifecycle", Lifecycle),
            name_check("robots", "name"),
            identifier_check("robots", "vendor"),
            identifier_check("robots", "model"),
            identifier_check("robots", "serial_number"),
            identifier_check("robots", "firmware_version"),
            models.CheckConstraint(
                condition=models.Q(
                    offline_after_seconds__range=(
                        MIN_OFFLINE_AFTER_SECONDS,
                        MAX_OFFLINE_AFTER_SECONDS,
                    )
                ),
                name="robots_offline_after_range_check",
            ),
        )
        indexes = (
            models.Index(fields=("organization",), name="idx_robots_organization"),
            models.Index(fields=("status",), name="idx_robots_status"),
            models.Index(fields=("vendor",), name="idx_robots_vendor"),
            models.Index(fields=("last_seen",), name="idx_robots_last_seen"),
            models.Index(fields=("lease_user",), name="idx_robots_lease_user"),
            GinIndex(
                fields=("location",), opclasses=("jsonb_path_ops",), name="idx_robots_location"
            ),
            GinIndex(
                fields=("configuration",),
                opclasses=("jsonb_path_ops",),
                name="idx_robots_configuration",
            ),
        )

    def __str__(self) -> str:
        return str(self.name)

    @property
    def service_state(self) -> ServiceState:
        """The state that `is_active` describes: in service or retired."""
        return ServiceState.IN_SERVICE if self.is_active else ServiceState.RETIRED

    @property
    def vendor_label(self) -> str:
        """The vendor's display name, or the stored text of an unknown vendor."""
        return vendor_label(self.vendor)

    @property
    def facility(self) -> str:
        """Name of the robot's facility, or an empty text."""
        return str((self.location or {}).get("facility") or "")
