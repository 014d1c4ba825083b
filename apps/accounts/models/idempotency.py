"""Stored responses for the Idempotency-Key header."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.accounts.querysets import (
    IdempotencyRecordQuerySet,
)
from urfmp.common.db.fields import created_at, organization_fk, uuid_primary_key
from urfmp.common.tenancy.models import TenantModel


class IdempotencyRecord(TenantModel):
    """Response to a request with an `Idempotency-Key`, stored for a day.

    The response is written in the transaction of the request's changes, so that neither is stored
    without the other. This table is not audited, because the changes are.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    principal_id = models.UUIDField(editable=False)
    key = models.CharField(max_length=255, editable=False)
    request_hash = models.CharField(max_length=64, editable=False)
    status_code = models.SmallIntegerField(editable=False)
    answer = models.TextField(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = IdempotencyRecordQuerySet.as_manager()

    class Meta:
        db_table = "idempotency_keys"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("principal_id", "key"), name="idempotency_keys_principal_key"
            ),
        )
        indexes = (
            models.Index(
                fields=("organization", "created_at"), name="idx_idempotency_organization"
            ),
        )

    def __str__(self) -> str:
        return self.key
