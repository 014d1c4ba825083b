"""Where people are signed in, and the keys of machines."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apps.accounts.models.device_names import device_name
from apps.accounts.models.line_protocol_mapping import validate_line_mapping
from apps.accounts.querysets import (
    ApiKeyQuerySet,
    IdempotencyRecordQuerySet,
    UserSessionQuerySet,
)
from urfmp.common.db.fields import (
    created_at,
    moment,
    moment_check,
    organization_key,
    plain_key,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.tenancy.querysets import TenantModel


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


class ApiKey(TenantModel):
    """A machine's credential: shown once, stored as a digest, limited to scopes.

    Bound to a robot it is that robot's identity; it survives the person who made it. A key that
    was rotated has a successor, which names it in `replaces`.
    """

    id = uuid_primary_key()
    organization = organization_key()
    user = plain_key("accounts.User")
    robot = plain_key("robots.Robot", on_delete=models.DO_NOTHING, null=True, blank=True)
    name = models.CharField(max_length=255)
    key_hash = models.CharField(max_length=255, editable=False)
    key_prefix = models.CharField(max_length=20, editable=False)
    permissions = ArrayField(
        models.TextField(),
        null=True,
        blank=True,
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
    )
    rate_limit = models.IntegerField(
        null=True,
        blank=True,
        default=1000,
        db_default=1000,
        validators=(MinValueValidator(1),),
        help_text="Requests per minute; empty for no limit.",
    )
    allowed_networks = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        help_text="Addresses and networks from which the key is taken; none for any.",
    )
    line_protocol_mapping = models.JSONField(
        "line protocol",
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        validators=(validate_line_mapping,),
        help_text="How lines that Telegraf or InfluxDB's clients write with this key are read:"
        ' {"robot_tag": "machine", "metadata_tags": ["firmware"], "dropped_tags": ["host"],'
        ' "prefix": "plc"}, each as needed. A tag that is not named becomes part of the metric.',
    )
    replaces = plain_key(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
    is_active = models.BooleanField("active", null=True, default=True, db_default=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = moment()
    created_at = created_at()

    objects: ClassVar[Any] = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        ordering = ("-created_at", "id")
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=("key_hash",), name="api_keys_key_hash_key"),
            models.UniqueConstraint(fields=("replaces",), name="api_keys_one_successor"),
            moment_check("api_keys", "expires_at"),
        )
        indexes = (
            models.Index(fields=("key_hash",), name="idx_api_keys_hash"),
            models.Index(fields=("organization",), name="idx_api_keys_organization"),
            models.Index(fields=("user",), name="idx_api_keys_user"),
            models.Index(fields=("robot",), name="idx_api_keys_robot"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.key_prefix}…)"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may do, as whoever checks a grant asks for it."""
        return tuple(self.permissions or ())

    @property
    def is_running(self) -> bool:
        """Whether it has neither been revoked nor expired."""
        return bool(self.is_active) and (
            self.expires_at is None or self.expires_at > timezone.now()
        )


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
