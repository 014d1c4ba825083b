"""Batches of stored points that wait for processing."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.telemetry.querysets import TelemetryBatchQuerySet
from urfmp.common.db.fields import created_at, organization_fk
from urfmp.common.tenancy.models import TenantModel


class TelemetryBatch(TenantModel):
    """Stored points that consumers have not processed yet.

    See `apps.telemetry.services.pending_work`. Ingest inserts rows in the transaction of the
    points; they are deleted when every consumer has set its column. Not audited, because rows
    change constantly. There is no foreign key to the organization's row: many concurrent senders
    would queue for locks on it.
    """

    id = models.BigAutoField(primary_key=True)
    organization = organization_fk()
    robot_ids = ArrayField(models.UUIDField(), editable=False)
    metric_names = ArrayField(models.CharField(max_length=100), editable=False)
    least_time = models.DateTimeField(editable=False)
    greatest_time = models.DateTimeField(editable=False)
    created_at = created_at()
    rolled_up_at = models.DateTimeField(null=True, editable=False)
    evaluated_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = TelemetryBatchQuerySet.as_manager()

    class Meta:
        db_table = "telemetry_batches"
        ordering = ("id",)
        verbose_name_plural = "telemetry batches"
        indexes = (
            models.Index(
                fields=("organization", "id"),
                name="idx_batches_to_roll_up",
                condition=models.Q(rolled_up_at__isnull=True),
            ),
            models.Index(
                fields=("organization", "id"),
                name="idx_batches_to_evaluate",
                condition=models.Q(evaluated_at__isnull=True),
            ),
            models.Index(
                fields=("rolled_up_at",),
                name="idx_batches_rolled_up",
                condition=models.Q(rolled_up_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{len(self.robot_ids)} robots from {self.least_time} to {self.greatest_time}"
