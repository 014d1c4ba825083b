"""Create, change, test and disable channels, and rotate their secrets."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import IntegrityError
from django.utils import timezone
from psycopg.errors import ForeignKeyViolation

from apps.accounts.choices import Role
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.notifications import (
    MAX_ADDRESS_LENGTH,
    MAX_ADDRESSES_PER_CHANNEL,
    MAX_CHANNELS_PER_ORGANIZATION,
    PERSONAL_KINDS,
    SECRET_OVERLAP,
    AuthScheme,
    ChannelKind,
    Notice,
)
from apps.alerts.exceptions import (
    ChannelInUseError,
    SigningSecretUnreadableError,
    TooManyRowsError,
)
from apps.alerts.models import Delivery, NotificationChannel
from apps.alerts.protocols.alertmanager import API_PATH, auth_errors, authorization_header
from apps.alerts.protocols.webhooks import generate_secret
from apps.alerts.selectors.notifications import channel_recipients
from apps.alerts.services.notifications.wakeup import wake_sender
from apps.audit.services.audit_logs import audit_record
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.http.outgoing import check_permitted, parse_networks, url_error
from urfmp.common.security.field_encryption import DecryptionError, decrypt, encrypt
from urfmp.common.tenancy.context import audit_action

# Kinds that post to a URL.
URL_KINDS = (ChannelKind.WEBHOOK, ChannelKind.ALERTMANAGER)
_AUTH_FIELDS = ("auth_scheme", "auth_username", "auth_secret")
_NO_RECIPIENT: dict[str, str] = {
    ChannelKind.EMAIL: "No active user has one of the channel's roles or addresses.",
    ChannelKind.WEB_PUSH: "No active user with one of the channel's roles or addresses has turned"
    " push messages on. Each user does that under My notifications.",
}
CHANNEL_ROLES = tuple(role for role in Role if role != Role.SUPER_ADMIN)


def _unique_name() -> AbstractContextManager[None]:
    return unique_error_on(
        "name", "A channel with this name already exists.", "notification_channels_name_key"
    )


def channel_create(
    *, organization_id: UUID, kind: str, auth_secret: str = "", **fields: Any
) -> NotificationChannel:
    """Create a channel; a webhook gets a signing secret.

    Args:
        organization_id: Organization of the channel.
        kind: One of `ChannelKind`.
        auth_secret: Password or token for Alertmanager.
        fields: Further columns.

    Raises:
        TooManyRowsError: The organization has the maximum number of channels.
        ValidationError: A field is invalid, or the name is taken.
    """
    channel = NotificationChannel(organization_id=organization_id, kind=kind, **fields)
    with _unique_name(), audit_action("alerts.channel.create"):
        if NotificationChannel.objects.count() >= MAX_CHANNELS_PER_ORGANIZATION:
            raise TooManyRowsError
        _clean(channel)
        _store_auth_secret(channel, auth_secret)
        if channel.kind == ChannelKind.WEBHOOK:
            channel.signing_secret = _encrypt(channel, "signing_secret", generate_secret())
        channel.full_clean()
        channel.save(force_insert=True)
        channel.refresh_from_db(fields=["created_at", "updated_at"])
    return channel


def channel_update(
    channel: NotificationChannel, *, auth_secret: str = "", **changes: Any
) -> NotificationChannel:
    """Change a channel; enabling removes the reason of its disabling.

    Args:
        channel: Channel.
        auth_secret: New password or token for Alertmanager; empty to keep it, unless the URL,
            scheme or user name changes.
        changes: Changed columns.

    Raises:
        ValidationError: A field is invalid, or the name is taken.
    """
    with _unique_name(), audit_action("alerts.channel.update"):
        channel = _lock(channel)
        receiver = _receiver(channel)
        for name, value in changes.items():
            setattr(channel, name, value)
        if channel.is_enabled:
            channel.disabled_reason = ""
        _clean(channel)
        if _receiver(channel) != receiver:
            channel.auth_secret = ""  # else it could be sent to anyone who enters a URL
        _store_auth_secret(channel, auth_secret)
        channel.full_clean()
        channel.save(update_fields=[*{*changes, "disabled_reason", *_AUTH_FIELDS}])
        channel.refresh_from_db(fields=["updated_at"])
    return channel


def channel_delete(channel: NotificationChannel) -> None:
    """Delete a channel and its deliveries.

    Raises:
        ChannelInUseError: A route sends to the channel.
    """
    try:
        with audit_action("alerts.channel.delete"):
            channel.delete()
    except IntegrityError as error:
        if not isinstance(error.__cause__, ForeignKeyViolation):
            raise
        raise ChannelInUseError from error


def channel_disable(channel: NotificationChannel, reason: str) -> None:
    """Disable a channel that cannot be used any more.

    Args:
        channel: Channel; its row is locked.
        reason: Sentence for its page.
    """
    with audit_action("alerts.channel.disable"):
        channel = _lock(channel)
        channel.is_enabled = False
        channel.disabled_reason = reason
        channel.save(update_fields=["is_enabled", "disabled_reason"])


def channel_rotate_secret(channel: NotificationChannel) -> NotificationChannel:
    """Replace a webhook's signing secret; the previous one signs for another day.

    Raises:
        ValidationError: The channel is not a webhook.
    """
    with audit_action("alerts.channel.rotate_secret"):
        channel = _lock(channel)
        if channel.kind != ChannelKind.WEBHOOK:
            msg = "Only webhooks have a signing secret."
            raise ValidationError(msg)
        previous = _decrypt(channel, "signing_secret")
        channel.previous_secret = _encrypt(channel, "previous_secret", previous)
        channel.previous_secret_expires_at = timezone.now() + SECRET_OVERLAP
        channel.signing_secret = _encrypt(channel, "signing_secret", generate_secret())
        channel.save(
            update_fields=["signing_secret", "previous_secret", "previous_secret_expires_at"]
        )
    return channel


def _receiver(channel: NotificationChannel) -> tuple[str, str, str]:
    """Return whom a stored password or token was entered for."""
    return channel.url, channel.auth_scheme, channel.auth_username


def _store_auth_secret(channel: NotificationChannel, given: str) -> None:
    """Encrypt a new password or token, or delete it with its scheme.

    Raises:
        ValidationError: The scheme needs other values.
    """
    is_used = channel.kind == ChannelKind.ALERTMANAGER and channel.auth_scheme
    if not is_used:
        channel.auth_scheme = channel.auth_username = channel.auth_secret = ""
        return
    if channel.auth_scheme != AuthScheme.BASIC:
        channel.auth_username = ""
    errors = auth_errors(
        channel.auth_scheme, channel.auth_username, given, is_stored=bool(channel.auth_secret)
    )
    if errors:
        raise ValidationError({**errors})
    if given:
        channel.auth_secret = _encrypt(channel, "auth_secret", given)


def authorization(channel: NotificationChannel) -> str:
    """Return the header that authenticates requests, or an empty text.

    Raises:
        DecryptionError: The password or token cannot be decrypted.
    """
    if not channel.auth_scheme:
        return ""
    secret = _decrypt(channel, "auth_secret")
    return authorization_header(channel.auth_scheme, channel.auth_username, secret)


def signing_secrets(channel: NotificationChannel) -> list[str]:
    """Return the secrets that sign a channel's requests, the newest first.

    Raises:
        DecryptionError: A secret cannot be decrypted.
    """
    found = [_decrypt(channel, "signing_secret")]
    expiry = channel.previous_secret_expires_at
    if channel.previous_secret and expiry is not None and expiry > timezone.now():
        found.append(_decrypt(channel, "previous_secret"))
    return found


def channel_reveal_secret(channel: NotificationChannel) -> str:
    """Return a webhook's signing secret for its receiver, and audit that.

    Raises:
        SigningSecretUnreadableError: The secret cannot be decrypted.
    """
    try:
        secret = _decrypt(channel, "signing_secret")
    except DecryptionError as error:
        raise SigningSecretUnreadableError from error
    audit_record(
        action="alerts.channel.reveal_secret",
        resource_type="channel",
        resource_id=channel.pk,
    )
    return secret


def channel_test(channel: NotificationChannel) -> list[Delivery]:
    """Enqueue a test notice to each recipient of a channel.

    Raises:
        ValidationError: The channel is disabled, or has no recipient.
    """
    if not channel.is_enabled:
        msg = "Enable the channel first."
        raise ValidationError(msg)
    targets: list[dict[str, Any]] = [{}]
    if channel.kind in PERSONAL_KINDS:
        targets = [
            {"address": one.address, "user": one.user, "subscription": one.subscription}
            for one in channel_recipients(channel)
        ]
        if not targets:
            raise ValidationError(_NO_RECIPIENT[channel.kind])
    with audit_action("alerts.channel.test"):
        deliveries = [
            Delivery(
                organization_id=channel.organization_id,
                channel=channel,
                notice=Notice.TEST,
                severity=AlertSeverity.INFO,
                **target,
            )
            for target in targets
        ]
        Delivery.objects.bulk_create(deliveries)
        wake_sender()
    return deliveries


def _lock(channel: NotificationChannel) -> NotificationChannel:
    # Two changes at once must not overwrite each other's secrets or reasons.
    rows = NotificationChannel.objects.select_for_update(no_key=True)
    locked: NotificationChannel = rows.get(pk=channel.pk)
    return locked


def _clean(channel: NotificationChannel) -> None:
    """Normalize a channel's fields, and empty those of other kinds.

    Raises:
        ValidationError: A field is invalid.
    """
    errors: dict[str, Any] = {}
    if channel.kind in PERSONAL_KINDS:
        channel.url = ""
        channel.addresses, errors["addresses"] = _cleaned_addresses(channel.addresses)
        unknown = set(channel.roles) - {*CHANNEL_ROLES}
        errors["roles"] = [f"Unknown role: {', '.join(sorted(unknown))}."] if unknown else []
        channel.roles = [role.value for role in CHANNEL_ROLES if role in channel.roles]
        if not channel.roles and not channel.addresses and not any(errors.values()):
            errors["roles"] = ["Choose a role, or enter an address."]
    elif channel.kind in URL_KINDS:
        channel.roles, channel.addresses = [], []
        channel.url = channel.url.strip()
        error = url_error(channel.url)
        if channel.kind == ChannelKind.ALERTMANAGER and not error:
            channel.url = channel.url.rstrip("/").removesuffix(API_PATH).rstrip("/")
            if "?" in channel.url or "#" in channel.url:
                error = "Enter the address of Alertmanager without ? and #."
        errors["url"] = [error] if error else []
    if channel.kind == ChannelKind.EMAIL:
        channel.allowed_networks = []
    try:
        networks = parse_networks(channel.allowed_networks)
        check_permitted(networks)
        channel.allowed_networks = [str(network) for network in networks]
    except ValidationError as invalid:
        errors["allowed_networks"] = invalid.messages
    if found := {name: texts for name, texts in errors.items() if texts}:
        raise ValidationError(found)


def _cleaned_addresses(given: list[str]) -> tuple[list[str], list[str]]:
    addresses = list(dict.fromkeys(text.strip() for text in given if text.strip()))
    if len(addresses) > MAX_ADDRESSES_PER_CHANNEL:
        return addresses, [f"Enter at most {MAX_ADDRESSES_PER_CHANNEL} addresses."]
    errors = []
    for address in addresses:
        try:
            validate_email(address)
            MaxLengthValidator(MAX_ADDRESS_LENGTH)(address)
        except ValidationError:
            errors.append(f"{address[:60]} is not an e-mail address.")
    return addresses, errors


def _context(channel: NotificationChannel, field: str) -> dict[str, Any]:
    return {
        "organization_id": channel.organization_id,
        "row_id": channel.pk,
        "field": field,
    }


def _encrypt(channel: NotificationChannel, field: str, secret: str) -> str:
    return encrypt(secret, **_context(channel, field))


def _decrypt(channel: NotificationChannel, field: str) -> str:
    return decrypt(getattr(channel, field), **_context(channel, field))
