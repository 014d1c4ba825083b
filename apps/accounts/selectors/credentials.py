"""Look up credentials before the organization is known.

Row-level security hides every table until then, so these go through functions of the tables'
owner that take an exact digest and give ids and states, nothing to search with.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.selectors.key_format import key_is_well_formed
from urfmp.common.security.bearer_secrets import digest

# While Redis does not take the mark of a change, an ended session may live on for this long.
_SESSION_CACHE_SECONDS = 5
_CHANGED = "changed"
_NOTE_USE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyCredential:
    """What a valid API key stands for.

    Attributes:
        rate_limit: Requests per minute; None for any number.
        allowed_networks: Networks, as in `192.0.2.0/24`, from which it is taken; none for any.
        last_used_at: When it was last used, to the minute. Aware.
    """

    id: UUID
    organization_id: UUID
    robot_id: UUID | None
    scopes: tuple[str, ...]
    rate_limit: int | None
    allowed_networks: tuple[str, ...] = ()
    last_used_at: datetime | None = None

    def admits(self, address: str | None) -> bool:
        """Tell whether the key is taken from an address; one that is unknown is no exception."""
        if not self.allowed_networks:
            return True
        if address is None:
            return False
        ip = ipaddress.ip_address(address)
        return any(ip in ipaddress.ip_network(network) for network in self.allowed_networks)


@dataclass(frozen=True)
class SessionCredential:
    """What a session's token stands for. Times are aware."""

    user_id: UUID
    organization_id: UUID
    data: dict[str, Any]
    expires_at: datetime
    last_activity_at: datetime

    @property
    def is_alive(self) -> bool:
        """Whether neither the end nor an hour of silence has been reached."""
        now = timezone.now()
        return now < self.expires_at and now - self.last_activity_at < settings.SESSION_IDLE


def key_credential(key: str) -> KeyCredential | None:
    """Return what a key stands for; None for one that is unknown, ended or expired."""
    if not key_is_well_formed(key):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, robot_id, permissions, rate_limit, allowed_networks,"
            " last_used_at FROM api_key_credential(%s)",
            [digest(key)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return KeyCredential(row[0], row[1], row[2], tuple(row[3] or ()), row[4], tuple(row[5]), row[6])


def note_key_use(credential: KeyCredential) -> bool:
    """Write down that a key is in use, at most once a minute; return whether it was due.

    A statement of its own, which waits for nobody: call it outside of a transaction, so that the
    key's row is not held while the request runs.
    """
    last = credential.last_used_at
    if last is not None and timezone.now() - last < _NOTE_USE_AFTER:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key_used(%s)", [credential.id])
    return True


def session_credential(token: str) -> SessionCredential | None:
    """Return what a session's token stands for; None for one that is unknown or ended."""
    token_digest = digest(token)
    cached = cache.get(_cache_key(token_digest))
    row: list[Any] | None
    if isinstance(cached, list):
        user_id, organization_id, data, *times = cached
        row = [UUID(user_id), UUID(organization_id), data, *map(datetime.fromisoformat, times)]
    elif (row := _stored_session(token_digest)) is None:
        return None
    credential = SessionCredential(*row)
    return credential if credential.is_alive else None


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
    row[2] = json.loads(row[2])  # Django's connections leave JSON as text
    # Not over a mark: whoever read the row before it changed must not bring it back.
    cache.add(
        _cache_key(token_digest),
        [str(row[0]), str(row[1]), row[2], row[3].isoformat(), row[4].isoformat()],
        timeout=_SESSION_CACHE_SECONDS,
    )
    return row


def forget_session(token_digest: str) -> None:
    """Take a session that changes out of the read cache, at once and again after the commit.

    In its place comes a mark that sends readers to the database for as long as a value that
    somebody has just read could have stayed.
    """

    def forget() -> None:
        cache.set(_cache_key(token_digest), _CHANGED, timeout=_SESSION_CACHE_SECONDS)

    forget()
    if connection.in_atomic_block:
        transaction.on_commit(forget)


def user_organization(email: str) -> UUID | None:
    """Return the organization of the active person with this address, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_organization(%s)", [email])
        row = cursor.fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class Account:
    """What an address that somebody signs in with stands for.

    Attributes:
        name: The same for every way to write the address, whether or not it is anybody's; nothing
            can be read from it.
        organization_id: The organization of the active person with this address, if there is one.
        device_mark: What a browser holds in which the account has signed in.
    """

    name: str
    organization_id: UUID | None
    device_mark: str


def account_of(email: str) -> Account:
    """Return the account behind an address, in one query.

    The database writes the address in lower case, as it does for the look-up: two addresses that
    it takes for one must not count as two.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lower(given), a.organization_id, a.devices_known_since"
            " FROM (SELECT %s) g (given) LEFT JOIN account_standing(given) a ON true",
            [email.strip()],
        )
        address, organization_id, since = cursor.fetchone()
    name = salted_hmac("urfmp.account", address, algorithm="sha256").hexdigest()[:32]
    return Account(name, organization_id, device_mark(name, since))


def device_mark(account: str, since: datetime | None) -> str:
    """Return what a browser holds in which an account has signed in.

    Args:
        account: Its name.
        since: When all sign-ins before were ended; None for never.
    """
    text = f"{account}:{since.timestamp() if since else ''}"
    return salted_hmac("urfmp.device", text, algorithm="sha256").hexdigest()[:32]


def session_end_time() -> datetime:
    """Return when a session that begins now ends at the latest."""
    return timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
