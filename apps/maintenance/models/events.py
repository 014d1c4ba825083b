"""Timelines of maintenance tasks."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.maintenance.choices import TaskEventKind
from apps.maintenance.querysets import TaskEventQuerySet
from urfmp.common.db.fields import (
    choices_check,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class TaskEvent(TenantModel):
    """One entry of a task's timeline; deleted with its task.

    Services write it in the transaction of the change. Times are those of the statements, so they
    ascend within a transaction too. `user` is null if an API key or the system acted. `text` is
    the comment, the reason or the note.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    task = unconstrained_fk(
        "maintenance.MaintenanceTask", on_delete=models.DO_NOTHING, editable=False
    )
    kind = models.CharField(max_length=20, choices=TaskEventKind, editable=False)
    user = unconstrained_fk("accounts.User", null=True, editable=False)
    text = models.TextField(default="", db_default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[Any] = TaskEventQuerySet.as_manager()

    class Meta:
        db_table = "maintenance_task_events"
        ordering = ("created_at", "id")
        constraints = (choices_check("maintenance_task_events", "kind", TaskEventKind),)
        indexes = (
            models.Index(fields=("task", "created_at"), name="idx_task_events_task"),
            models.Index(fields=("organization",), name="idx_task_events_organization"),
            models.Index(fields=("user",), name="idx_task_events_user"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.created_at}"
