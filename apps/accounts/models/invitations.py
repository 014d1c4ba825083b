"""Invitations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.accounts.choices import Role
from apps.accounts.querysets import (
    InvitationQuerySet,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.db.names import EmailIdentifierField
from urfmp.common.tenancy.models import TenantModel


class Invitation(TenantModel):
    """Invitation to join an organization, deleted when accepted or revoked.

    The token is stored as a digest, from the time at which the e-mail is sent. Rows are kept for
    30 days after `expires_at`. An invitation that is not expired counts towards the plan's users.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    email = EmailIdentifierField("e-mail", max_length=255)
    role = models.CharField(
        max_length=50, choices=Role, default=Role.OPERATOR, db_default=Role.OPERATOR
    )
    permissions = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
    )
    invited_by = unconstrained_fk(
        "accounts.User", null=True, blank=True, db_column="invited_by", editable=False
    )
    invited_by_key = unconstrained_fk(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
    token_digest = models.CharField(  # noqa: DJ001 - NULL until the e-mail is sent
        max_length=64, null=True, editable=False
    )
    expires_at = models.DateTimeField(editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = InvitationQuerySet.as_manager()

    class Meta:
        db_table = "invitations"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "email"), name="invitations_organization_email_key"
            ),
            models.UniqueConstraint(fields=("token_digest",), name="invitations_digest_key"),
            choices_check("invitations", "role", Role),
        )
        indexes = (
            models.Index(fields=("invited_by",), name="idx_invitations_invited_by"),
            models.Index(fields=("invited_by_key",), name="idx_invitations_key"),
        )

    def __str__(self) -> str:
        return str(self.email)

    @property
    def is_expired(self) -> bool:
        """Return whether the invitation has expired."""
        return self.expires_at <= timezone.now()
