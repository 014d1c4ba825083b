"""Silences, which hold notifications back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apps.alerts.models.channels import text_array
from apps.alerts.querysets import SilenceQuerySet
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
    validate_datetime_range,
)
from urfmp.common.db.names import validate_visible
from urfmp.common.tenancy.models import TenantModel


class Silence(TenantModel):
    """A period in which matching alerts are not notified.

    The alerts still open and are shown. Those still open at its end are notified then. Empty
    matchers match everything.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    severities = text_array()
    types = text_array()
    facility = unconstrained_fk(
        "organizations.Facility", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    robot = unconstrained_fk("robots.Robot", null=True, blank=True, on_delete=models.DO_NOTHING)
    starts_at = models.DateTimeField("start", validators=[validate_datetime_range])
    ends_at = models.DateTimeField("end", validators=[validate_datetime_range])
    reason = models.TextField(validators=[validate_visible], max_length=1000)
    created_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="created_by", editable=False
    )
    created_at = created_at()

    objects: ClassVar[Any] = SilenceQuerySet.as_manager()

    class Meta:
        db_table = "notification_silences"
        ordering = ("-ends_at", "id")
        verbose_name = "silence"
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="notification_silences_period_check",
                violation_error_message="The end must be after the start.",
            ),
        )
        indexes = (
            models.Index(fields=("organization", "ends_at"), name="idx_silences_ends"),
            models.Index(fields=("facility",), name="idx_silences_facility"),
            models.Index(fields=("robot",), name="idx_silences_robot"),
            models.Index(fields=("created_by",), name="idx_silences_author"),
        )

    def __str__(self) -> str:
        return str(self.reason)[:60]

    @property
    def is_over(self) -> bool:
        """True if the silence has ended."""
        return bool(self.ends_at <= timezone.now())
