"""Timelines of alerts."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.querysets import AlertEventQuerySet
from urfmp.common.db.fields import (
    choices_check,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class AlertEvent(TenantModel):
    """One entry of an alert's timeline; deleted with its alert.

    Services write it in the transaction of the change, through `alert_event_record()`. Times are
    those of the statements, so they ascend within a transaction too. `severity` is that of the
    alert after the event. `user` is null if an API key or the system acted. Further reports in a
    row share one event, which counts them.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    alert = unconstrained_fk("alerts.Alert", on_delete=models.DO_NOTHING, editable=False)
    kind = models.CharField(max_length=20, choices=AlertEventKind, editable=False)
    severity = models.CharField(max_length=20, choices=AlertSeverity, editable=False)
    user = unconstrained_fk("accounts.User", null=True, editable=False)
    assigned_to = unconstrained_fk(
        "accounts.User", null=True, db_column="assigned_to", editable=False
    )
    text = models.TextField(default="", db_default="", editable=False)
    until = models.DateTimeField(null=True, editable=False)
    occurrences = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[Any] = AlertEventQuerySet.as_manager()

    class Meta:
        db_table = "alert_events"
        ordering = ("created_at", "id")
        constraints = (
            choices_check("alert_events", "kind", AlertEventKind),
            choices_check("alert_events", "severity", AlertSeverity),
        )
        indexes = (
            models.Index(fields=("alert", "created_at"), name="idx_alert_events_alert"),
            models.Index(fields=("organization", "created_at"), name="idx_alert_events_recent"),
            models.Index(fields=("user",), name="idx_alert_events_user"),
            models.Index(fields=("assigned_to",), name="idx_alert_events_assigned"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.created_at}"
