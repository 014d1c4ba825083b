"""Sessions and API token families."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.accounts.models.device_names import device_name
from apps.accounts.querysets import (
    UserSessionQuerySet,
)
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    unconstrained_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.rendering.formats import format_datetime
from urfmp.common.tenancy.models import TenantModel


class UserSession(TenantModel):
    """Session of a user on one device.

    Tokens are stored as SHA-256 digests.

    A browser session is one row. It expires at `expires_at` or after an hour without activity, and
    deleting the row revokes it. An API session is a token family: a root row, and one more row per
    refresh, the successor of its parent. Deleting the root revokes the whole family. Rows are kept
    for 30 days after `expires_at`.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING)
    session_token = models.CharField(max_length=255)
    refresh_token = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - spec
    data = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    family = unconstrained_fk(
        "accounts.UserSession", on_delete=models.DO_NOTHING, null=True, blank=True
    )
    parent_id = models.UUIDField(null=True, blank=True, editable=False)
    access_expires_at = models.DateTimeField(null=True, blank=True)
    spent_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField()
    created_at = created_at()
    last_activity_at = updated_at()
    ip_address = models.GenericIPAddressField("IP address", null=True, blank=True)
    user_agent = models.TextField(null=True, blank=True)  # noqa: DJ001 - spec

    objects: ClassVar[Any] = UserSessionQuerySet.as_manager()

    class Meta:
        db_table = "user_sessions"
        ordering = ("-created_at", "id")
        verbose_name = "session"
        constraints = (
            models.UniqueConstraint(
                fields=("session_token",), name="user_sessions_session_token_key"
            ),
            models.UniqueConstraint(
                fields=("refresh_token",), name="user_sessions_refresh_token_key"
            ),
            models.UniqueConstraint(fields=("parent_id",), name="user_sessions_parent_id_key"),
        )
        indexes = (
            models.Index(fields=("session_token",), name="idx_sessions_token"),
            models.Index(fields=("user",), name="idx_sessions_user"),
            models.Index(fields=("expires_at",), name="idx_sessions_expires"),
            models.Index(fields=("organization",), name="idx_sessions_organization"),
            models.Index(fields=("family",), name="idx_sessions_family"),
        )

    def __str__(self) -> str:
        return f"{self.user} since {format_datetime(self.created_at)}"

    @property
    def kind(self) -> str:
        """Return `browser` or `api`."""
        return "browser" if self.family_id is None else "api"

    @property
    def device(self) -> str:
        """Return a short name of the browser or program."""
        return device_name(self.user_agent)
