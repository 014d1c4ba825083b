"""Changes to the keys of machines."""

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
        msg = f"There is no scope {', '.join(unknown)}."
        raise UnknownScopeError(msg)
    if robot is not None and (beyond := sorted(set(permissions) - DEVICE_SCOPES)):
        msg = f"A key bound to a robot cannot hold {', '.join(beyond)}."
        raise ValidationError({"permissions": msg})


def _check_limits(rate_limit: int | None, expires_at: datetime | None) -> None:
    if rate_limit is not None and rate_limit < 1:
        raise ValidationError({"rate_limit": "At least 1 a minute; leave it empty for no limit."})
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "A key ends in the future."})


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError as error:
        msg = f"“{text}” is no address or network; write 192.0.2.7 or 192.0.2.0/24."
        raise ValidationError({"allowed_networks": msg}) from error


def normalized_networks(networks: Iterable[str]) -> list[str]:
    """Return addresses and networks as they are stored: `192.0.2.7/32`, sorted, each once.

    Raises:
        ValidationError: One is neither, or has bits set beyond its prefix; or there are too many.
    """
    found = sorted({_network(text) for text in networks})
    if len(found) > _MAX_NETWORKS:
        raise ValidationError({"allowed_networks": f"Name at most {_MAX_NETWORKS} networks."})
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
    """Make a key for a machine.

    Args:
        organization_id: Whose rows it reaches.
        user: Who makes it; the organization's system user for a robot's own key, so that it
            survives the person.
        name: What it is for.
        permissions: Scopes, as in `telemetry:write`.
        robot: Bind it to this robot; it then reaches no other.
        rate_limit: Requests per minute, at least 1; None for any number.
        expires_at: When it ends; None for never.
        allowed_networks: Addresses and networks from which it is taken; none for any.
        line_protocol_mapping: How its lines are read, see `accounts.line_mapping`.

    Returns:
        The row and the key itself, which nobody can show again.

    Raises:
        PlanLimitError: The plan has no room for another key.
        UnknownScopeError: A scope does not exist.
        ValidationError: A robot's key asks for more than a robot needs, or a value does not fit.
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
    """Change what a key is called, and its limits: never its scopes or its robot.

    Args:
        key: Which key.
        changes: Any of `name`, `rate_limit`, `expires_at`, `allowed_networks`,
            `line_protocol_mapping`.

    Raises:
        ApiKeyInactiveError: It has been revoked or has expired.
        ValidationError: A value does not fit.
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


def _check_expiry(key: ApiKey, end: datetime | None) -> None:
    """Keep a key that is being replaced, which takes no place of the plan, from living on."""
    is_later = key.expires_at is not None and (end is None or end > key.expires_at)
    if is_later and any(successor.is_valid for successor in ApiKey.objects.filter(replaces=key)):
        msg = "This key is being replaced: its end can only come forward."
        raise ValidationError({"expires_at": msg})


def api_key_rotate(
    key: ApiKey, *, user: User, overlap: timedelta = ROTATION_OVERLAP
) -> tuple[ApiKey, str]:
    """Make the successor of a key, which itself goes on working for a while.

    The old row is locked, so that of two rotations at the same time the second finds a key that
    is being replaced already. The two count as one in the plan.

    Args:
        key: The one to replace. Its end comes forward to the end of the overlap, never later.
        user: Who does it.
        overlap: How long both work: 0 to 30 days.

    Returns:
        The new row, alike but for the secret and the end of the old one, and the new key itself.

    Raises:
        ApiKeyInactiveError: The old one has ended, or has a successor already.
        ApiKeyRotationError: It is itself a successor whose own predecessor still works.
        ValidationError: The overlap does not fit.
    """
    if not timedelta(0) <= overlap <= _MAX_OVERLAP:
        raise ValidationError({"overlap_hours": "Both keys work for 0 to 720 hours."})
    with audit_action("accounts.api_key.rotate"):
        _lock_active(key)
        if ApiKey.objects.filter(replaces=key).exists():
            msg = "This key has a successor already; rotate that one."
            raise ApiKeyInactiveError(msg)
        if key.replaces is not None and key.replaces.is_valid:
            msg = "The key before this one still works; revoke it first."
            raise ApiKeyRotationError(msg)
        end = timezone.now() + overlap
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
        key.expires_at = min(key.expires_at or end, end)
        key.is_active = overlap > timedelta(0)
        key.save(update_fields=["expires_at", "is_active"])
        return successor, _generate_and_save(successor)


def api_key_revoke(key: ApiKey) -> ApiKey:
    """End a key; the next request with it is refused."""
    with audit_action("accounts.api_key.revoke"):
        key.is_active = False
        key.save(update_fields=["is_active"])
    return key


def _lock_active(key: ApiKey) -> None:
    key.refresh_from_db(from_queryset=ApiKey.objects.select_for_update())
    if not key.is_valid:
        raise ApiKeyInactiveError
