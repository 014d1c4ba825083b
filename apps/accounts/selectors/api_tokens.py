"""Access and refresh tokens of API sessions.

An access token is valid for 15 minutes. A refresh token can only be exchanged for a new pair. Each
kind of token has its own prefix and is looked up in its own column, so that it is never accepted
as the other kind, as an API key or as a browser session.

The first pair of a session is random. Each later pair is derived from the refresh token that it
replaces, the id of its row and `SECRET_KEY`: a client that lost the response sends the old refresh
token again and gets the same pair, and the database stores digests only.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.db import connection
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User, UserSession
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.bearer_secrets import (
    checksum,
    derived_text,
    hash_token,
    random_text,
)
from urfmp.common.tenancy.context import tenant_transaction

ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
REFRESH_TOKEN_LIFETIME = timedelta(hours=24)

_ACCESS_PREFIX, _REFRESH_PREFIX = "urfmp_at_", "urfmp_rt_"
_RANDOM_LENGTH, _CHECKSUM_LENGTH = 43, 6
_USE_RECORDING_INTERVAL = timedelta(minutes=1)


def generate_token(prefix: str) -> str:
    """Return a new token: prefix, 256 random bits and checksum."""
    return _with_checksum(prefix + random_text(_RANDOM_LENGTH))


def _with_checksum(text: str) -> str:
    return text + checksum(text)


def is_well_formed_token(token: str, prefix: str) -> bool:
    """Return whether prefix, length and checksum are right, without a query."""
    text, received_checksum = token[:-_CHECKSUM_LENGTH], token[-_CHECKSUM_LENGTH:]
    return (
        token.isascii()
        and token.startswith(prefix)
        and len(text) == len(prefix) + _RANDOM_LENGTH
        and secrets.compare_digest(checksum(text), received_checksum)
    )


def generate_access_token() -> str:
    """Return a new access token."""
    return generate_token(_ACCESS_PREFIX)


def generate_refresh_token() -> str:
    """Return a new refresh token."""
    return generate_token(_REFRESH_PREFIX)


def derive_successor_tokens(refresh_token: str, successor_id: UUID) -> tuple[str, str]:
    """Return the access and the refresh token that replace a refresh token.

    Args:
        refresh_token: Refresh token that is replaced. Only the client has it.
        successor_id: Id of the row of the new pair, random and not shown to clients.
    """
    value = f"{successor_id}:{refresh_token}"
    access, refresh = (
        _with_checksum(prefix + derived_text(f"urfmp.successor.{prefix}", value))
        for prefix in (_ACCESS_PREFIX, _REFRESH_PREFIX)
    )
    return access, refresh


def is_access_token(text: str) -> bool:
    """Return whether a credential has the prefix of an access token."""
    return text.startswith(_ACCESS_PREFIX)


@dataclass(frozen=True)
class AccessCredential:
    """A valid access token, as stored.

    Attributes:
        session_id: Id of the session, which is the root of the token family.
        user_id: Id of the session's user.
        organization_id: Id of the user's organization.
        data: Data of the session.
        expires_at: Expiry of the token, not of the session. Aware.
        last_activity_at: Last use of the session, to the minute. Aware.
        is_first_use: Whether the token came from a refresh and has not been used before.
        token_id: Id of the row of the token.
    """

    session_id: UUID
    user_id: UUID
    organization_id: UUID
    data: dict[str, Any]
    expires_at: datetime
    last_activity_at: datetime
    is_first_use: bool
    token_id: UUID

    @property
    def session_auth_hash(self) -> str:
        """Return the hash of the password that the user logged in with."""
        return str(self.data.get(HASH_SESSION_KEY, ""))

    @property
    def authentication(self) -> AuthenticationTime:
        """Return when and how the user logged in."""
        return AuthenticationTime.read(self.data)


@dataclass(frozen=True)
class RefreshCredential:
    """Session of a refresh token, which may have been rotated already."""

    family_id: UUID
    user_id: UUID
    organization_id: UUID


def access_credential(token: str) -> AccessCredential | None:
    """Return an access token's credential.

    Returns:
        The credential; None if the token is unknown, revoked or expired.
    """
    if not is_well_formed_token(token, _ACCESS_PREFIX):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family_id, user_id, organization_id, data, access_expires_at, last_activity_at,"
            " is_first_use, token_id FROM access_token_credential(%s)",
            [hash_token(token)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    family_id, user_id, organization_id, data, *rest = row
    # Django's connections return JSON as text.
    return AccessCredential(family_id, user_id, organization_id, json.loads(data), *rest)


def refresh_credential(token: str) -> RefreshCredential | None:
    """Return a refresh token's credential, also for one that was rotated.

    Returns:
        The credential; None if the token is unknown, revoked or expired.
    """
    if not is_well_formed_token(token, _REFRESH_PREFIX):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family_id, user_id, organization_id FROM refresh_token_credential(%s)",
            [hash_token(token)],
        )
        row = cursor.fetchone()
    return RefreshCredential(*row) if row else None


def get_token_user(credential: AccessCredential) -> User | None:
    """Return an access token's user; None if the token is invalid.

    A token is invalid after a password change, even one that was issued while the password was
    changing. Call this inside the organization's tenant transaction.
    """
    user: User | None = User.objects.able_to_log_in().filter(pk=credential.user_id).first()
    if user is None or not session_hash_matches(credential.session_auth_hash, user):
        return None
    return user


def record_token_use(credential: AccessCredential) -> None:
    """Record the first use of a token and the session's activity.

    The activity is recorded at most once a minute. The first use proves that the client received
    the response to its refresh. Call this outside a transaction, so that the rows are not locked
    during the request.
    """
    now = timezone.now()
    is_activity_due = now - credential.last_activity_at >= _USE_RECORDING_INTERVAL
    if not (credential.is_first_use or is_activity_due):
        return
    with tenant_transaction(credential.organization_id):
        if credential.is_first_use:
            unused = UserSession.objects.filter(pk=credential.token_id, used_at=None)
            unused.update(used_at=now)
        if is_activity_due:
            UserSession.objects.filter(pk=credential.session_id).record_activity()


def session_hash_matches(session_auth_hash: str, user: User) -> bool:
    """Return whether a session was started with the user's current password."""
    return constant_time_compare(session_auth_hash, user.get_session_auth_hash())
