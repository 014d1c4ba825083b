"""Second factors."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.querysets import (
    SecondFactorQuerySet,
)
from urfmp.common.db.fields import created_at, organization_fk, unconstrained_fk, uuid_primary_key
from urfmp.common.security.encrypted_columns import EncryptedText
from urfmp.common.tenancy.models import TenantModel


class SecondFactor(TenantModel):
    """Second factor of a user: encrypted TOTP secret and hashed recovery codes.

    A user has at most one. Until `confirmed_at` is set, it is being set up and no login requires
    it. The row is deleted when the user or an admin removes the second factor.
    """

    encrypted_columns: ClassVar = (EncryptedText("seed"),)

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING)
    seed = models.TextField(editable=False)
    recovery_digests = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        editable=False,
    )
    last_step = models.BigIntegerField(null=True, editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = SecondFactorQuerySet.as_manager()

    class Meta:
        db_table = "second_factors"
        ordering = ("-created_at", "id")
        constraints = (models.UniqueConstraint(fields=("user",), name="second_factors_user_key"),)
        indexes = (models.Index(fields=("organization",), name="idx_factors_organization"),)

    def __str__(self) -> str:
        return f"Second factor of {self.user_id}"
