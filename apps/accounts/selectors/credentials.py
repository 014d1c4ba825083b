"""Look up credentials before the organization is known.

Row-level security hides every row until then. These look-ups call SQL functions of the tables'
owner, which accept an exact digest or address and return only ids and states.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.selectors.key_format import is_well_formed_key
from urfmp.common.db.names import normalize_identifier
from urfmp.common.security.bearer_secrets import hash_token

# A revoked session may be accepted for this long if Redis cannot store the marker of the change.
_SESSION_CACHE_SECONDS = 5
_CHANGED_MARKER = "changed"
_USE_RECORDING_INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyCredential:
    """A valid API key, as stored.

    Attributes:
        id: Id of the key.
        organization_id: Organization that owns the key.
        robot_id: Robot that the key is bound to; None for other keys.
        scopes: Scopes of the key.
        rate_limit: Requests per minute; None for no limit.
        allowed_networks: CIDR ranges, such as `192.0.2.0/24`, that may use the key; empty for any.
        last_used_at: Last use, to the minute. Aware.
    """

    id: UUID
    organization_id: UUID
    robot_id: UUID | None
    scopes: tuple[str, ...]
    rate_limit: int | None
    allowed_networks: tuple[str, ...] = ()
    last_used_at: datetime | None = None

    def allows_ip(self, ip_address: str | None) -> bool:
        """Return whether an IP address may use the key.

        Args:
            ip_address: Of the client; None, if unknown, is allowed only without limits.
        """
        if not self.allowed_networks:
            return True
        if ip_address is None:
            return False
        ip = ipaddress.ip_address(ip_address)
        return any(ip in ipaddress.ip_network(network) for network in self.allowed_networks)


@dataclass(frozen=True)
class SessionCredential:
    """A browser session, as stored.

    Attributes:
        user_id: Id of the session's user.
        organization_id: Id of the user's organization.
        data: Data of the session.
        expires_at: Latest expiry. Aware.
        last_activity_at: Last use, to the minute. Aware.
    """

    user_id: UUID
    organization_id: UUID
    data: dict[str, Any]
    expires_at: datetime
    last_activity_at: datetime

    @property
    def is_valid(self) -> bool:
        """Return whether the session is neither expired nor idle for `SESSION_IDLE`."""
        now = timezone.now()
        return now < self.expires_at and now - self.last_activity_at < settings.SESSION_IDLE


def key_credential(key: str) -> KeyCredential | None:
    """Return an API key's credential, or None if it is not valid.

    A key is valid until it is revoked or expires, its organization is deactivated, or the robot
    to which it is bound is retired. SQL function `api_key_credential` decides; `api_key_refused`,
    `telemetry_refused` and `ended_credentials` contain the same rule and change with it.
    """
    return key_credentials([key]).get(key)


def key_credentials(keys: Collection[str]) -> dict[str, KeyCredential]:
    """Return the credentials of valid API keys, in one query."""
    digests = {hash_token(key): key for key in keys if is_well_formed_key(key)}
    if not digests:
        return {}
    with connection.cursor() as cursor:
        # The column `api_keys.permissions` holds scopes.
        cursor.execute(
            "SELECT given.digest, k.id, organization_id, robot_id, permissions, rate_limit,"
            " allowed_networks, last_used_at"
            " FROM unnest(%s::text[]) AS given (digest), api_key_credential(given.digest) AS k",
            [list(digests)],
        )
        return {
            digests[digest]: KeyCredential(
                key_id, organization_id, robot_id, tuple(scopes or ()), rate_limit,
                tuple(networks), last_used_at,
            )
            for digest, key_id, organization_id, robot_id, scopes, rate_limit, networks,
            last_used_at in cursor.fetchall()
        }  # fmt: skip


def record_key_use(credential: KeyCredential) -> bool:
    """Update a key's time of last use, at most once a minute.

    Call this outside a transaction, so that the key's row is not locked during the request. A row
    that is locked is skipped.

    Returns:
        Whether the time was due for an update.
    """
    return record_key_uses([credential]) == 1


def record_key_uses(credentials: Iterable[KeyCredential]) -> int:
    """Update the times of last use of keys, as `record_key_use` does.

    Returns:
        Number of keys whose time was due for an update.
    """
    now = timezone.now()
    due = [
        credential.id
        for credential in credentials
        if credential.last_used_at is None
        or now - credential.last_used_at >= _USE_RECORDING_INTERVAL
    ]
    if due:
        with connection.cursor() as cursor:
            cursor.execute("SELECT api_key_used(id) FROM unnest(%s::uuid[]) AS id", [due])
    return len(due)


def session_credential(token: str) -> SessionCredential | None:
    """Return a browser session's credential, at most five seconds old.

    Returns:
        The credential; None if the session is unknown, revoked or expired.
    """
    token_digest = hash_token(token)
    cached = cache.get(_cache_key(token_digest))
    row: list[Any] | None
    if isinstance(cached, list):
        user_id, organization_id, data, *times = cached
        row = [UUID(user_id), UUID(organization_id), data, *map(datetime.fromisoformat, times)]
    elif (row := _stored_session(token_digest)) is None:
        return None
    credential = SessionCredential(*row)
    return credential if credential.is_valid else None


def _cache_key(token_digest: str) -> str:
    return f"session:{token_digest}"


def _stored_session(token_digest: str) -> list[Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_id, organization_id, data, expires_at, last_activity_at"
            " FROM session_credential(%s)",
            [token_digest],
        )
        if (found := cursor.fetchone()) is None:
            return None
    row = list(found)
    row[2] = json.loads(row[2])  # Django's connections return JSON as text
    # add() keeps a marker: a row that was read before a change must not be cached again.
    cache.add(
        _cache_key(token_digest),
        [str(row[0]), str(row[1]), row[2], row[3].isoformat(), row[4].isoformat()],
        timeout=_SESSION_CACHE_SECONDS,
    )
    return row


def invalidate_cached_session(token_digest: str) -> None:
    """Invalidate a changed session, now and again after the commit.

    A marker replaces the cached value. While it lasts, sessions are read from the database, and a
    concurrent reader cannot cache the old row.
    """

    def invalidate() -> None:
        cache.set(_cache_key(token_digest), _CHANGED_MARKER, timeout=_SESSION_CACHE_SECONDS)

    invalidate()
    if connection.in_atomic_block:
        transaction.on_commit(invalidate)


def user_organization_id(email: str) -> UUID | None:
    """Return the organization of the active user with this address, or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_organization(%s)", [email])
        row = cursor.fetchone()
    return row[0] if row else None


def is_super_admin(user_id: UUID) -> bool:
    """Return whether a user, whose row is hidden, is a super admin."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_super_admin(%s)", [user_id])
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True)
class LoginIdentity:
    """Identity behind the e-mail address of a login attempt.

    Attributes:
        account_hash: Keyed hash of the address, ignoring case. It also exists for addresses without
            an account and does not reveal the address.
        organization_id: Organization of the active user with this address, or None.
        trusted_device_tag: Value of the cookie in browsers in which the user has logged in.
    """

    account_hash: str
    organization_id: UUID | None
    trusted_device_tag: str


def login_identity(email: str) -> LoginIdentity:
    """Return the identity behind an e-mail address, in one query.

    The database lower-cases the address, as it does for the look-up. Addresses that it considers
    equal must share one account hash.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lower(given), a.organization_id, a.devices_known_since"
            " FROM (SELECT %s) g (given) LEFT JOIN account_standing(given) a ON true",
            [normalize_identifier(email)],
        )
        lower_email, organization_id, reset_at = cursor.fetchone()
    account_hash = salted_hmac("urfmp.account", lower_email, algorithm="sha256").hexdigest()[:32]
    return LoginIdentity(account_hash, organization_id, trusted_device_tag(account_hash, reset_at))


def trusted_device_tag(account_hash: str, reset_at: datetime | None) -> str:
    """Return the cookie value of a user's trusted browsers.

    Args:
        account_hash: Account hash of the user's address.
        reset_at: Time at which all earlier trusted devices were reset; None for never.
    """
    text = f"{account_hash}:{reset_at.timestamp() if reset_at else ''}"
    return salted_hmac("urfmp.device", text, algorithm="sha256").hexdigest()[:32]


def new_session_expiry() -> datetime:
    """Return the latest expiry of a session that starts now."""
    return timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
