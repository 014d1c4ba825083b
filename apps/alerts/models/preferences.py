"""Preferences of users about their notifications."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.querysets import NotificationPreferenceQuerySet
from urfmp.common.db.fields import (
    choices_check,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class NotificationPreference(TenantModel):
    """What a user wants to receive by e-mail and to hear.

    By default a user receives every e-mail and hears no sound.

    Critical alerts are sent whatever the preferences say.

    Attributes:
        min_severity: Lowest severity of the alerts that are sent by e-mail.
        quiet_from: Start of the quiet hours, in the user's timezone.
        quiet_until: End of the quiet hours; one that is not after the start is on the next day.
        has_sound: Whether pages play a sound for new critical alerts.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING, editable=False)
    min_severity = models.CharField(
        max_length=20,
        choices=AlertSeverity,
        default=AlertSeverity.INFO,
        db_default=AlertSeverity.INFO,
    )
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    has_sound = models.BooleanField(default=False, db_default=False)
    updated_at = updated_at()

    objects: ClassVar[Any] = NotificationPreferenceQuerySet.as_manager()

    class Meta:
        db_table = "notification_preferences"
        constraints = (
            models.UniqueConstraint(fields=("user",), name="notification_preferences_user_key"),
            choices_check("notification_preferences", "min_severity", AlertSeverity),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="notification_preferences_quiet_check",
                violation_error_message="Enter both the start and the end of the quiet hours.",
            ),
        )

        indexes = (models.Index(fields=("organization",), name="idx_preferences_owner"),)

    def __str__(self) -> str:
        return f"Notifications of {self.user}"
