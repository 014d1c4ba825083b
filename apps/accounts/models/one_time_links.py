"""One-time links, sent by e-mail."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.accounts.choices import LinkPurpose
from apps.accounts.querysets import (
    OneTimeLinkQuerySet,
)
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class OneTimeLink(TenantModel):
    """One-time link that a user received by e-mail.

    `apps.accounts.selectors.one_time_links` describes its life cycle. A user has at most one link
    per purpose: a newer one replaces it. The token is stored as a digest. Using a link deletes its
    row; other rows are kept for 30 days after `expires_at`.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING)
    purpose = models.CharField(max_length=50, choices=LinkPurpose)
    token_digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField()
    created_at = created_at()

    objects: ClassVar[Any] = OneTimeLinkQuerySet.as_manager()

    class Meta:
        db_table = "one_time_links"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(fields=("token_digest",), name="one_time_links_digest_key"),
            models.UniqueConstraint(
                fields=("user", "purpose"), name="one_time_links_user_purpose_key"
            ),
            choices_check("one_time_links", "purpose", LinkPurpose),
        )
        indexes = (models.Index(fields=("organization",), name="idx_links_organization"),)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.user_id}"
