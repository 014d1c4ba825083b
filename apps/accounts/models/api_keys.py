"""API keys."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apps.accounts.models.line_protocol_mapping import validate_line_protocol_mapping
from apps.accounts.querysets import (
    ApiKeyQuerySet,
)
from urfmp.common.db.fields import (
    bounded_datetime_check,
    bounded_datetime_field,
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.tenancy.models import TenantModel


class ApiKey(TenantModel):
    """Credential of a machine, stored as a digest and limited to scopes.

    The key itself is shown once, when it is created. A key that is bound to a robot (a device key)
    is that robot's identity. A key stays valid when the user who created it is deactivated. After
    a rotation, the new key refers to the old one in `replaces`.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User")
    robot = unconstrained_fk("robots.Robot", on_delete=models.DO_NOTHING, null=True, blank=True)
    name = NameField(max_length=255)
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
        help_text="Requests per minute. Leave blank for no limit.",
    )
    allowed_networks = ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        help_text="IP addresses and CIDR ranges that may use the key. Leave blank to allow any.",
    )
    line_protocol_mapping = models.JSONField(
        "line protocol",
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        validators=(validate_line_protocol_mapping,),
        help_text="Mapping of tags for lines that Telegraf or an InfluxDB client writes with this"
        ' key: {"robot_tag": "machine", "metadata_tags": ["firmware"], "dropped_tags": ["host"],'
        ' "prefix": "plc"}. Every key is optional. Any other tag becomes part of the metric name.',
    )
    replaces = unconstrained_fk(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, null=True, blank=True, editable=False
    )
    is_active = models.BooleanField("active", null=True, default=True, db_default=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = bounded_datetime_field()
    created_at = created_at()

    objects: ClassVar[Any] = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        ordering = ("-created_at", "id")
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=("key_hash",), name="api_keys_key_hash_key"),
            models.UniqueConstraint(fields=("replaces",), name="api_keys_one_successor"),
            bounded_datetime_check("api_keys", "expires_at"),
            name_check("api_keys", "name"),
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
        """Return the scopes as a tuple; empty if there are none."""
        return tuple(self.permissions or ())

    @property
    def is_valid(self) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return bool(self.is_active) and (
            self.expires_at is None or self.expires_at > timezone.now()
        )
