"""Channels, which carry notifications to people and integrations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.alerts.choices.notifications import AuthScheme, ChannelKind
from apps.alerts.querysets import NotificationChannelQuerySet
from urfmp.common.db.fields import (
    choices_check,
    created_at,
    organization_fk,
    updated_at,
    uuid_primary_key,
)
from urfmp.common.db.names import NameField, name_check
from urfmp.common.http.outgoing import MAX_URL_LENGTH
from urfmp.common.security.encrypted_columns import EncryptedText
from urfmp.common.tenancy.models import TenantModel

MAX_AUTH_USERNAME_LENGTH = 255


def text_array(**kwargs: Any) -> Any:
    """Return a column with a list of texts, empty by default."""
    return ArrayField(
        models.TextField(),
        default=list,
        db_default=models.Value([], ArrayField(models.TextField())),
        blank=True,
        **kwargs,
    )


class NotificationChannel(TenantModel):
    """Where notifications are sent: e-mail addresses, browsers, a webhook, or Alertmanager.

    All secrets are encrypted. After a rotation the previous one signs as well, until
    `previous_secret_expires_at`.

    Attributes:
        roles: For e-mail and push messages, the roles whose users receive them.
        addresses: For e-mail, further addresses; for push messages, those of further users.
        url: For a webhook, where it posts; for Alertmanager, its address without the API's path.
        allowed_networks: For all but e-mail, private networks that may be reached.
        auth_scheme: For Alertmanager, how requests authenticate.
        auth_username: For basic authentication.
        auth_secret: Encrypted password or token.
        disabled_reason: Why the platform disabled the channel; empty if a user did.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    name = NameField(max_length=100)
    kind = models.CharField(max_length=20, choices=ChannelKind)
    roles = text_array()
    addresses = text_array()
    url = models.CharField("URL", max_length=MAX_URL_LENGTH, blank=True, default="", db_default="")
    allowed_networks = text_array()
    auth_scheme = models.CharField(
        "authentication",
        max_length=10,
        choices=AuthScheme,
        blank=True,
        default=AuthScheme.NONE,
        db_default=AuthScheme.NONE,
    )
    auth_username = models.CharField(
        "user name", max_length=MAX_AUTH_USERNAME_LENGTH, blank=True, default="", db_default=""
    )
    auth_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    signing_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    previous_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    previous_secret_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_enabled = models.BooleanField("enabled", default=True, db_default=True)
    disabled_reason = models.TextField(blank=True, default="", db_default="", editable=False)
    created_at = created_at()
    updated_at = updated_at()

    encrypted_columns: ClassVar = (
        EncryptedText("signing_secret"),
        EncryptedText("previous_secret"),
        EncryptedText("auth_secret"),
    )

    objects: ClassVar[Any] = NotificationChannelQuerySet.as_manager()

    class Meta:
        db_table = "notification_channels"
        ordering = ("name", "id")
        verbose_name = "channel"
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "name"), name="notification_channels_name_key"
            ),
            choices_check("notification_channels", "kind", ChannelKind),
            name_check("notification_channels", "name"),
            models.CheckConstraint(
                condition=~Q(kind=ChannelKind.WEBHOOK) | (~Q(url="") & ~Q(signing_secret="")),
                name="notification_channels_webhook_check",
            ),
            choices_check("notification_channels", "auth_scheme", AuthScheme),
            models.CheckConstraint(
                condition=~Q(kind=ChannelKind.ALERTMANAGER) | ~Q(url=""),
                name="notification_channels_alertmanager_check",
            ),
        )

    def __str__(self) -> str:
        return str(self.name)
