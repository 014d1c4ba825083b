"""Responses that are stored under an Idempotency-Key."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.accounts.querysets import (
    IdempotencyRecordQuerySet,
)
from urfmp.common.db.fields import (
    created_at,
    organization_key,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class IdempotencyRecord(TenantModel):
    """The answer to a request that carried an `Idempotency-Key`, kept for a day.

    Written in the transaction of what the request did: there is no answer without the effect, and
    no effect without the answer. Not audited: the effect is.
    """

    id = uuid_primary_key()
    organization = organization_key()
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
