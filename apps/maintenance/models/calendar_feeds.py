"""Calendar feeds of users."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.maintenance.querysets import CalendarFeedQuerySet
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class CalendarFeed(TenantModel):
    """Secret address with the tasks of one user, for calendar applications.

    The token is stored as a digest and shown once. A user has at most one: a newer one replaces it.
    Revocation deletes the row.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING, editable=False)
    token_digest = models.CharField(max_length=64, editable=False)
    created_at = created_at()

    objects: ClassVar[Any] = CalendarFeedQuerySet.as_manager()

    class Meta:
        db_table = "calendar_feeds"
        constraints = (
            models.UniqueConstraint(fields=("user",), name="calendar_feeds_user_key"),
            models.UniqueConstraint(fields=("token_digest",), name="calendar_feeds_digest_key"),
        )
        indexes = (models.Index(fields=("organization",), name="idx_calendar_feeds_owner"),)

    def __str__(self) -> str:
        return f"calendar feed of {self.user_id}"
