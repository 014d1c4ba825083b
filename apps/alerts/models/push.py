"""Browsers that receive push messages, and the keys that push services know."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.alerts.querysets import PushKeyQuerySet, PushSubscriptionQuerySet
from urfmp.common.db.fields import (
    created_at,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.security.encrypted_columns import EncryptedText
from urfmp.common.tenancy.models import TenantModel


class PushKey(TenantModel):
    """The key pair that signs an organization's messages for push services.

    Created when the first browser subscribes, and never replaced: subscriptions belong to the key.

    Attributes:
        private_key: Encrypted.
        public_key: Point on P-256 in base64url, which browsers subscribe with.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    private_key = models.TextField(editable=False)
    public_key = models.CharField(max_length=100, editable=False)
    created_at = created_at()

    encrypted_columns: ClassVar = (EncryptedText("private_key"),)

    objects: ClassVar[Any] = PushKeyQuerySet.as_manager()

    class Meta:
        db_table = "push_keys"
        constraints = (
            models.UniqueConstraint(fields=("organization",), name="push_keys_organization_key"),
        )

    def __str__(self) -> str:
        return str(self.public_key)


class PushSubscription(TenantModel):
    """A browser of a user, to which push messages are sent.

    Ends when the user turns it off or signs out there, when the push service says that it is gone,
    and with the user's trusted devices, for example by a new password.

    Attributes:
        endpoint: URL at the push service, encrypted: who knows it can send.
        endpoint_digest: SHA-256 of the endpoint in hexadecimal digits.
        service: Host of the push service.
        browser_key: Public key of the browser in base64url.
        auth_secret: Authentication secret of the browser in base64url, encrypted.
        label: Browser and system, for the user.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    user = unconstrained_fk("accounts.User", on_delete=models.DO_NOTHING, editable=False)
    endpoint = models.TextField(editable=False)
    endpoint_digest = models.CharField(max_length=64, editable=False)
    service = models.CharField(max_length=255, editable=False)
    browser_key = models.CharField(max_length=100, editable=False)
    auth_secret = models.TextField(editable=False)
    label = models.CharField(max_length=100, editable=False)
    created_at = created_at()

    encrypted_columns: ClassVar = (EncryptedText("endpoint"), EncryptedText("auth_secret"))

    objects: ClassVar[Any] = PushSubscriptionQuerySet.as_manager()

    class Meta:
        db_table = "push_subscriptions"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "endpoint_digest"), name="push_subscriptions_endpoint_key"
            ),
        )
        indexes = (models.Index(fields=("user",), name="idx_push_subscriptions_user"),)

    def __str__(self) -> str:
        return str(self.label)
