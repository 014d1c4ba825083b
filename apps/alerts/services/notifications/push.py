"""Subscribe browsers to push messages, and end their subscriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices.notifications import MAX_PUSH_SUBSCRIPTIONS_PER_USER
from apps.alerts.exceptions import TooManyRowsError
from apps.alerts.models import PushKey, PushSubscription
from apps.alerts.protocols.web_push import (
    KeyPair,
    generate_key_pair,
    is_auth_secret,
    is_browser_key,
)
from apps.organizations.models import Organization
from urfmp.common.http.outgoing import url_error
from urfmp.common.security.field_encryption import decrypt, encrypt
from urfmp.common.tenancy.context import audit_action

_MAX_LABEL_LENGTH = 100


def push_key(organization_id: UUID) -> PushKey:
    """Return the organization's key pair; create it the first time."""
    stored: PushKey | None = PushKey.objects.first()
    if stored is not None:
        return stored
    # Two requests at once must agree on one key: a subscription to another one is useless.
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    stored = PushKey.objects.first()
    if stored is None:
        keys = generate_key_pair()
        stored = PushKey(id=uuid4(), organization_id=organization_id, public_key=keys.public)
        stored.private_key = encrypt(keys.private, **_context(stored, "private_key"))
        with audit_action("alerts.push_key.create"):
            stored.save(force_insert=True)
    return stored


def push_key_pair(key: PushKey) -> KeyPair:
    """Return the decrypted key pair.

    Raises:
        DecryptionError: The private key cannot be decrypted.
    """
    return KeyPair(decrypt(key.private_key, **_context(key, "private_key")), key.public_key)


def push_subscriptions_lock(ids: Collection[UUID]) -> set[UUID]:
    """Lock subscriptions against deletion; return the ids of those that exist.

    A sign-out deletes subscriptions. A delivery to one that is gone would break its foreign key,
    and so the change of the alert.
    """
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM push_subscriptions WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
            [list(ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def push_subscribe(
    user: User, *, endpoint: str, browser_key: str, auth_secret: str, label: str
) -> PushSubscription:
    """Send push messages to a browser of a user from now on.

    A browser belongs to the user who subscribed it last.

    Args:
        user: User; the row is locked, so that two requests keep the maximum.
        endpoint: URL that the browser got from its push service.
        browser_key: Public key of the browser.
        auth_secret: Authentication secret of the browser.
        label: Browser and system, for the user's list.

    Raises:
        TooManyRowsError: The user has the maximum number of browsers.
        ValidationError: The browser's answer is invalid.
    """
    _check(endpoint, browser_key, auth_secret)
    digest = endpoint_digest(endpoint)
    with audit_action("alerts.push_subscription.create"):
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        PushSubscription.objects.filter(endpoint_digest=digest).delete()
        rows = PushSubscription.objects.filter(user=user)
        if rows.count() >= MAX_PUSH_SUBSCRIPTIONS_PER_USER:
            raise TooManyRowsError
        subscription = PushSubscription(
            id=uuid4(),
            organization_id=user.organization_id,
            user=user,
            endpoint_digest=digest,
            service=urlsplit(endpoint).hostname or "",
            browser_key=browser_key,
            label=label[:_MAX_LABEL_LENGTH] or "Browser",
            created_at=timezone.now(),
        )
        subscription.endpoint = encrypt(endpoint, **_context(subscription, "endpoint"))
        subscription.auth_secret = encrypt(auth_secret, **_context(subscription, "auth_secret"))
        subscription.save(force_insert=True)
    return subscription


def _check(endpoint: str, browser_key: str, auth_secret: str) -> None:
    error = url_error(endpoint)
    is_secure = endpoint.startswith("https://") or settings.INSECURE_HTTP
    if error or not is_secure or not is_browser_key(browser_key) or not is_auth_secret(auth_secret):
        msg = "The browser's push service gave an unusable address. Try another browser."
        raise ValidationError(msg)


def endpoint_digest(endpoint: str) -> str:
    """Return the digest under which a browser's subscription is found."""
    return hashlib.sha256(endpoint.encode()).hexdigest()


def push_unsubscribe(user: User, *, subscription_id: UUID) -> bool:
    """End a subscription of a user; return whether there was one."""
    with audit_action("alerts.push_subscription.delete"):
        rows = PushSubscription.objects.filter(user=user, pk=subscription_id)
        return bool(rows.delete()[0])


def push_sign_out(user: User, *, endpoint: str) -> None:
    """End the subscription of the browser that a user signs out of."""
    with audit_action("alerts.push_subscription.delete"):
        digest = endpoint_digest(endpoint)
        PushSubscription.objects.filter(user=user, endpoint_digest=digest).delete()


def push_expire(subscription_id: UUID) -> None:
    """Delete a subscription that the push service does not know any more."""
    with audit_action("alerts.push_subscription.expire"):
        PushSubscription.objects.filter(pk=subscription_id).delete()


def push_subscriptions_clean_up() -> int:
    """Delete subscriptions that are not active; return their number."""
    with audit_action("alerts.push_subscription.clean_up"):
        active = PushSubscription.objects.active().values("pk")
        return int(PushSubscription.objects.exclude(pk__in=active).delete()[0])


def push_address(subscription: PushSubscription) -> tuple[str, str]:
    """Return the decrypted endpoint and authentication secret.

    Raises:
        DecryptionError: One of them cannot be decrypted.
    """
    return (
        decrypt(subscription.endpoint, **_context(subscription, "endpoint")),
        decrypt(subscription.auth_secret, **_context(subscription, "auth_secret")),
    )


def _context(row: PushKey | PushSubscription, field: str) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "row_id": row.pk, "field": field}
