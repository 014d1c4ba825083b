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
    organization_key,
    plain_key,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


class UserSession(TenantModel):
    """One sign-in of one person on one device. Tokens are stored as SHA-256 digests only.

    In a browser it is one row, which ends at `expires_at`, after an hour of silence, or when it is
    deleted. Through the API it is a family: a root, which stands for the sign-in, and one row more
    for each time its tokens were renewed; deleting the root ends all of them. Rows are kept for 30
    days after `expires_at`.
    """

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User", on_delete=models.DO_NOTHING)
    session_token = models.CharField(max_length=255)
    refresh_token = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - spec
    data = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    family = plain_key("accounts.UserSession", on_delete=models.DO_NOTHING, null=True, blank=True)
    parent_id = models.UUIDField(null=True, blank=True, editable=False)
    access_expires_at = models.DateTimeField(null=True, blank=True)
    spent_at = models.DateTimeField(null=True, blank=True)
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
        )
        indexes = (
            models.Index(fields=("session_token",), name="idx_sessions_token"),
            models.Index(fields=("user",), name="idx_sessions_user"),
            models.Index(fields=("expires_at",), name="idx_sessions_expires"),
            models.Index(fields=("organization",), name="idx_sessions_organization"),
            models.Index(fields=("family",), name="idx_sessions_family"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} since {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def kind(self) -> str:
        """`browser` or `api`: what the sign-in is used with."""
        return "browser" if self.family_id is None else "api"

    @property
    def device(self) -> str:
        """What the browser or program calls itself, in short."""
        return device_name(self.user_agent)
