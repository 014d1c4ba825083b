"""Times of work on maintenance tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.maintenance.querysets import LabourEntryQuerySet
from urfmp.common.db.fields import organization_fk, unconstrained_fk, uuid_primary_key
from urfmp.common.tenancy.models import TenantModel


class LabourEntry(TenantModel):
    """A span of time in which a user worked on a task.

    Deleted with its task. Services begin and end it with the actions on the task. `user` is null if
    an API key started the work. A user has at most one running entry for each task.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    task = unconstrained_fk(
        "maintenance.MaintenanceTask", on_delete=models.DO_NOTHING, editable=False
    )
    user = unconstrained_fk("accounts.User", null=True, editable=False)
    started_at = models.DateTimeField(editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[Any] = LabourEntryQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_labour_entries"
        ordering = ("started_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(ended_at__gte=models.F("started_at")),
                name="maintenance_labour_entries_ended_at_check",
            ),
            models.UniqueConstraint(
                fields=("task", "user"),
                condition=models.Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="maintenance_labour_entries_one_running_key",
            ),
        )
        indexes = (
            models.Index(fields=("task", "started_at"), name="idx_labour_task"),
            models.Index(fields=("organization",), name="idx_labour_organization"),
            models.Index(fields=("user",), name="idx_labour_user"),
        )

    def __str__(self) -> str:
        return f"Work from {self.started_at}"
