"""Where people are signed in, and the keys of machines."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apps.accounts.models.line_protocol_mapping import validate_line_mapping
from apps.accounts.querysets import (
    ApiKeyQuerySet,
)
from urfmp.common.db.fields import (
    created_at,
    moment,
    moment_check,
    organization_key,
    plain_key,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel


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
