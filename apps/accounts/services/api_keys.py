"""Create, change, rotate and revoke API keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.exceptions import ApiKeyInactiveError, ApiKeyRotationError, UnknownScopeError
from apps.accounts.models import ApiKey, User
from apps.accounts.permissions.roles import DEVICE_SCOPES, SCOPES
from apps.accounts.selectors.key_format import generate_key, key_prefix
from apps.accounts.services.quotas import reserve_quota
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import audit_action

ROTATION_OVERLAP = timedelta(hours=24)
_MAX_OVERLAP = timedelta(days=30)
_MAX_NETWORKS = 50


def _check_scopes(permissions: list[str], robot: Any) -> None:
    if unknown := sorted(set(permissions) - set(SCOPES)):
        msg = f"Unknown scope: {', '.join(unknown)}."
        raise UnknownScopeError(msg)
    if robot is not None and (beyond := sorted(set(permissions) - DEVICE_SCOPES)):
        msg = f"A key bound to a robot cannot have the scope {', '.join(beyond)}."
        raise ValidationError({"permissions": msg})


def _check_limits(rate_limit: int | None, expires_at: datetime | None) -> None:
    if rate_limit is not None and rate_limit < 1:
        raise ValidationError(
            {"rate_limit": "Enter at least 1 request per minute, or nothing for no limit."}
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "Expiry must be in the future."})


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError as error:
        msg = f"“{text}” is not an IP address or network, such as 192.0.2.7 or 192.0.2.0/24."
        raise ValidationError({"allowed_networks": msg}) from error


def normalized_networks(networks: Iterable[str]) -> list[str]:
    """Return IP addresses and networks as stored: `192.0.2.7/32`, sorted, unique.

    Raises:
        ValidationError: An entry is invalid or has bits set beyond its prefix, or there are too
            many.
    """
    found = sorted({_network(text) for text in networks})
    if len(found) > _MAX_NETWORKS:
        raise ValidationError({"allowed_networks": f"Enter at most {_MAX_NETWORKS} networks."})
    return found


def api_key_create(
    *,
    organization_id: UUID,
    user: User,
    name: str,
    permissions: list[str],
    robot: Any = None,
    rate_limit: int | None = 1000,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    line_protocol_mapping: dict[str, Any] | None = None,
) -> tuple[ApiKey, str]:
    """Create an API key.

    Args:
        organization_id: Organization whose rows the key can access.
        user: User who creates the key. For a robot's own key, the organization's system user, so
            that the key outlives the user's account.
        name: Name for display.
        permissions: Scopes, such as `telemetry:write`.
        robot: Robot that the key is bound to; it cannot access any other.
        rate_limit: Maximum requests per minute, at least 1; None for no limit.
        expires_at: Datetime of the expiry; None for never.
        allowed_networks: IP addresses and networks that may use the key; empty for all.
        line_protocol_mapping: Mapping of its line protocol tags, see
            `models.line_protocol_mapping`.

    Returns:
        The row and the key itself, which cannot be shown again.

    Raises:
        PlanLimitError: The plan does not allow another key.
        UnknownScopeError: A scope does not exist.
        ValidationError: A robot's key has a scope that robots do not need, or a value is invalid.
    """
    _check_scopes(permissions, robot)
    _check_limits(rate_limit, expires_at)
    row = ApiKey(
        organization_id=organization_id,
        user=user,
        robot=robot,
        name=name,
        permissions=sorted(permissions),
        rate_limit=rate_limit,
        expires_at=expires_at,
        allowed_networks=normalized_networks(allowed_networks),
        line_protocol_mapping=line_protocol_mapping or {},
    )
    with audit_action("accounts.api_key.create"):
        reserve_quota(organization_id, "api_keys")
        return row, _generate_and_save(row)


def _generate_and_save(row: ApiKey) -> str:
    key = generate_key()
    row.key_hash, row.key_prefix = hash_token(key), key_prefix(key)
    row.full_clean()
    row.save(force_insert=True)
    return key


def api_key_update(key: ApiKey, **changes: Any) -> ApiKey:
    """Change an API key's name and limits, never its scopes or robot.

    Args:
        key: API key to change.
        changes: Any of `name`, `rate_limit`, `expires_at`, `allowed_networks`,
            `line_protocol_mapping`.

    Raises:
        ApiKeyInactiveError: The key is revoked or expired.
        ValidationError: A value is invalid.
    """
    with audit_action("accounts.api_key.update"):
        _lock_active(key)
        if "expires_at" in changes:
            _check_expiry(key, changes["expires_at"])
        for name, value in changes.items():
            setattr(key, name, value)
        _check_limits(key.rate_limit, changes.get("expires_at"))
        key.allowed_networks = normalized_networks(key.allowed_networks)
        key.full_clean()
        key.save(update_fields=list(changes))
    return key


def _check_expiry(key: ApiKey, expires_at: datetime | None) -> None:
    """Reject a later expiry for a key that is being replaced.

    The plan does not count such a key.
    """
    is_later = key.expires_at is not None and (expires_at is None or expires_at > key.expires_at)
    if is_later and any(successor.is_valid for successor in ApiKey.objects.filter(replaces=key)):
        msg = "This key is being replaced, so it can only expire earlier."
        raise ValidationError({"expires_at": msg})


def api_key_rotate(
    key: ApiKey, *, user: User, overlap: timedelta = ROTATION_OVERLAP
) -> tuple[ApiKey, str]:
    """Create the successor of an API key.

    The old key stays valid for a while. Its row is locked, so of two concurrent rotations the
    second finds a key that already has a successor. The plan counts the two as one.

    Args:
        key: Key to replace. It expires at the end of the overlap at the latest.
        user: User who rotates the key.
        overlap: Time in which both are valid: 0 to 30 days.

    Returns:
        The new row, which copies all settings and the original expiry, and the new key itself.

    Raises:
        ApiKeyInactiveError: The old key is revoked or expired, or has a successor.
        ApiKeyRotationError: The key is a successor whose predecessor is still valid.
        ValidationError: The overlap is out of range.
    """
    if not timedelta(0) <= overlap <= _MAX_OVERLAP:
        raise ValidationError({"overlap_hours": "The overlap must be 0 to 720 hours."})
    with audit_action("accounts.api_key.rotate"):
        _lock_active(key)
        if ApiKey.objects.filter(replaces=key).exists():
            msg = "This key has already been rotated. Rotate its successor instead."
            raise ApiKeyInactiveError(msg)
        if key.replaces is not None and key.replaces.is_valid:
            msg = "The previous key is still valid. Revoke it first."
            raise ApiKeyRotationError(msg)
        overlap_end = timezone.now() + overlap
        successor = ApiKey(
            organization_id=key.organization_id,
            user=key.user if key.user.is_system else user,
            robot=key.robot,
            name=key.name,
            permissions=key.permissions,
            rate_limit=key.rate_limit,
            expires_at=key.expires_at,
            allowed_networks=key.allowed_networks,
            line_protocol_mapping=key.line_protocol_mapping,
            replaces=key,
        )
        key.expires_at = min(key.expires_at or overlap_end, overlap_end)
        key.is_active = overlap > timedelta(0)
        key.save(update_fields=["expires_at", "is_active"])
        return successor, _generate_and_save(successor)


def api_key_revoke(key: ApiKey) -> ApiKey:
    """Revoke an API key; the next request with it is rejected."""
    with audit_action("accounts.api_key.revoke"):
        key.is_active = False
        key.save(update_fields=["is_active"])
    return key


def _lock_active(key: ApiKey) -> None:
    key.refresh_from_db(from_queryset=ApiKey.objects.select_for_update())
    if not key.is_valid:
        raise ApiKeyInactiveError
