"""Tokens with which a person uses the API: their form, and what they stand for.

An access token opens the API for 15 minutes. A refresh token is good for one thing, a new pair.
Neither can be taken for the other, for an API key or for a browser's session: each has a start of
its own and is looked up in a column of its own.
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
from urfmp.common.security.bearer_secrets import checksum, digest, random_text
from urfmp.common.security.recent_auth import SignIn
from urfmp.common.tenancy.context import tenant_transaction

ACCESS_TOKEN_AGE = timedelta(minutes=15)
REFRESH_TOKEN_AGE = timedelta(hours=24)

_ACCESS_START, _REFRESH_START = "urfmp_at_", "urfmp_rt_"
_LENGTH, _CHECKSUM_LENGTH = 43, 6
_TOUCH_AFTER = timedelta(minutes=1)


def generate_token(start: str) -> str:
    """Return a start to recognise the token by, 256 bits of chance, and a checksum."""
    text = start + random_text(_LENGTH)
    return text + checksum(text)


def token_is_well_formed(token: str, start: str) -> bool:
    """Tell whether start, length and checksum fit, which needs no query."""
    text, given = token[:-_CHECKSUM_LENGTH], token[-_CHECKSUM_LENGTH:]
    return (
        token.isascii()
        and token.startswith(start)
        and len(text) == len(start) + _LENGTH
        and secrets.compare_digest(checksum(text), given)
    )


def generate_access_token() -> str:
    """Return a new access token."""
    return generate_token(_ACCESS_START)


def generate_refresh_token() -> str:
    """Return a new refresh token."""
    return generate_token(_REFRESH_START)


def is_access_token(text: str) -> bool:
    """Tell whether a credential says of itself that it is an access token."""
    return text.startswith(_ACCESS_START)


@dataclass(frozen=True)
class AccessCredential:
    """What a valid access token stands for.

    Attributes:
        session_id: The sign-in that it belongs to.
        data: What it holds.
        expires_at: When the token, not the sign-in, ends. Aware.
        last_activity_at: When the sign-in was last used, to the minute. Aware.
    """

    session_id: UUID
    user_id: UUID
    organization_id: UUID
    data: dict[str, Any]
    expires_at: datetime
    last_activity_at: datetime

    @property
    def proof(self) -> str:
        """Of the password with which the person signed in."""
        return str(self.data.get(HASH_SESSION_KEY, ""))

    @property
    def sign_in(self) -> SignIn:
        """When and how the person signed in."""
        return SignIn.read(self.data)


@dataclass(frozen=True)
class RefreshCredential:
    """Where a refresh token, spent or not, belongs."""

    family_id: UUID
    user_id: UUID
    organization_id: UUID


def access_credential(token: str) -> AccessCredential | None:
    """Return what an access token stands for; None for one that is unknown, ended or expired."""
    if not token_is_well_formed(token, _ACCESS_START):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family_id, user_id, organization_id, data, access_expires_at, last_activity_at"
            " FROM access_token_credential(%s)",
            [digest(token)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    family_id, user_id, organization_id, data, expires_at, last_activity_at = row
    # Django's connections leave JSON as text.
    return AccessCredential(
        family_id, user_id, organization_id, json.loads(data), expires_at, last_activity_at
    )


def refresh_credential(token: str) -> RefreshCredential | None:
    """Return where a refresh token belongs; None for one that is unknown, ended or expired."""
    if not token_is_well_formed(token, _REFRESH_START):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT family_id, user_id, organization_id FROM refresh_token_credential(%s)",
            [digest(token)],
        )
        row = cursor.fetchone()
    return RefreshCredential(*row) if row else None


def person_of(credential: AccessCredential) -> User | None:
    """Return the person behind an access token.

    A token from before the last change of the password is worth nothing, even one that was given
    out while the password changed. Call it inside the organization's tenant transaction.
    """
    user: User | None = User.objects.signing_in().filter(pk=credential.user_id).first()
    if user is None or not proves(credential.proof, user):
        return None
    return user


def note_token_use(credential: AccessCredential) -> None:
    """Note that the person behind an access token is active, at most once a minute.

    Call it outside of a transaction: the row must not be held while the request runs.
    """
    if timezone.now() - credential.last_activity_at >= _TOUCH_AFTER:
        with tenant_transaction(credential.organization_id):
            UserSession.objects.filter(pk=credential.session_id).note_activity()


def proves(proof: str, user: User) -> bool:
    """Tell whether a sign-in was made with the person's present password."""
    return constant_time_compare(proof, user.get_session_auth_hash())
