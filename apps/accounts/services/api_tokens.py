"""Issue, rotate and revoke the token pairs of API sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone

from apps.accounts.exceptions import InvalidRefreshTokenError
from apps.accounts.models import User, UserSession
from apps.accounts.selectors.api_tokens import (
    ACCESS_TOKEN_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    RefreshCredential,
    derive_successor_tokens,
    generate_access_token,
    generate_refresh_token,
    refresh_credential,
    session_hash_matches,
)
from apps.accounts.services.locks import lock_active_user
from apps.accounts.services.login_audit import record_login, record_logout
from apps.audit.services.audit_logs import audit_record
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction

# A client that lost the response retries after its timeout: at most 100 s by the defaults of common
# HTTP clients, and 60 s by those of proxies.
_RETRY_GRACE = timedelta(seconds=120)
# Once the new pair is in use, only requests that were already under way may use the old token.
_CONCURRENT_GRACE = timedelta(seconds=10)


@dataclass(frozen=True)
class TokenPair:
    """Tokens for a client, which cannot be shown again. Datetimes are aware."""

    access_token: str
    refresh_token: str
    access_expires_at: datetime
    refresh_expires_at: datetime


def token_pair_issue(user: User, actor: Actor, *, second_factor: bool = False) -> TokenPair:
    """Log a user in through the API and audit it.

    Args:
        user: User as `authenticate` returned it: the tokens are valid as long as its password.
        actor: Client of the request, without its user.
        second_factor: Whether the user has passed the second factor.

    Raises:
        LoginFailedError: The user or the organization has been deactivated in the meantime.
    """
    now = timezone.now()
    with (
        tenant_transaction(user.organization_id, replace(actor, user_id=user.pk)),
        audit_action("accounts.session.login"),
    ):
        lock_active_user(user)
        User.objects.filter(pk=user.pk).update(last_login=now)
        root = UserSession(pk=uuid4(), organization_id=user.organization_id, user=user)
        root.family_id = root.pk
        root.data = {
            HASH_SESSION_KEY: user.get_session_auth_hash(),
            **AuthenticationTime.now(has_second_factor=second_factor).values(),
        }
        root.expires_at = now + REFRESH_TOKEN_LIFETIME
        pair = _store(actor, root, now, generate_access_token(), generate_refresh_token())
        record_login(user.pk)
    return pair


def token_pair_rotate(token: str, actor: Actor) -> TokenPair:
    """Rotate a refresh token: issue the pair that replaces it.

    Each refresh token has one successor. Until the successor is used, a repeated rotation within
    120 seconds returns the same pair: the client has lost the response, or sends concurrent
    requests. Any other use of a rotated token means that two clients have it. The whole family is
    then revoked.

    The root of the family is locked first, so of concurrent requests with one token only the first
    creates the successor.

    Args:
        token: Refresh token.
        actor: Client of the request, without its user.

    Raises:
        InvalidRefreshTokenError: The token is unknown, reused, expired, or older than the
            password.
    """
    found = refresh_credential(token)
    if found is None:
        raise InvalidRefreshTokenError
    with tenant_transaction(found.organization_id, replace(actor, user_id=found.user_id)):
        pair = _rotate(actor, found, token)
    if pair is None:  # after the commit, so that a revocation persists
        raise InvalidRefreshTokenError
    return pair


def _rotate(actor: Actor, found: RefreshCredential, token: str) -> TokenPair | None:
    roots = UserSession.objects.select_for_update().filter(pk=found.family_id)
    root: UserSession | None = roots.first()
    row: UserSession | None = UserSession.objects.filter(refresh_token=hash_token(token)).first()
    if root is None or row is None:  # revoked while this request waited for the lock
        return None
    now = timezone.now()
    successor: UserSession | None = None
    if row.spent_at is not None:
        successor = UserSession.objects.filter(family_id=root.pk, parent_id=row.pk).first()
        if successor is None or _is_reuse(row.spent_at, successor, now):
            _revoke_reused_family(root)
            return None
    if not session_hash_matches(
        root.data.get(HASH_SESSION_KEY, ""), User.objects.get(pk=root.user_id)
    ):
        return None
    UserSession.objects.filter(pk=root.pk).update(last_activity_at=now)
    if successor is not None:
        return _repeat(token, successor)
    with audit_action("accounts.session.refresh"):
        UserSession.objects.filter(pk=row.pk).update(spent_at=now)
        child = UserSession(
            pk=uuid4(),
            organization_id=root.organization_id,
            user_id=root.user_id,
            family_id=root.pk,
            parent_id=row.pk,
            data=root.data,
            expires_at=root.expires_at,
        )
        return _store(actor, child, now, *derive_successor_tokens(token, child.pk))


def _is_reuse(spent_at: datetime, successor: UserSession, now: datetime) -> bool:
    """Return whether a rotated token comes from a second client."""
    if now - spent_at >= _RETRY_GRACE or successor.spent_at is not None:
        return True
    return successor.used_at is not None and now - successor.used_at >= _CONCURRENT_GRACE


def _repeat(token: str, successor: UserSession) -> TokenPair | None:
    """Return the pair of a stored successor.

    None if the pair was derived with another `SECRET_KEY`.
    """
    access, refresh = derive_successor_tokens(token, successor.pk)
    if hash_token(refresh) != successor.refresh_token or successor.access_expires_at is None:
        return None
    return TokenPair(access, refresh, successor.access_expires_at, successor.expires_at)


def _revoke_reused_family(root: UserSession) -> None:
    with audit_action("accounts.session.refresh_reuse"):
        audit_record(
            action="accounts.session.refresh_reuse",
            resource_type="session",
            resource_id=root.pk,
            success=False,
            error_message="A refresh token was reused, so the session was revoked.",
        )
        UserSession.objects.filter(pk=root.pk).delete()


def _store(actor: Actor, row: UserSession, now: datetime, access: str, refresh: str) -> TokenPair:
    row.session_token, row.refresh_token = hash_token(access), hash_token(refresh)
    row.access_expires_at = min(now + ACCESS_TOKEN_LIFETIME, row.expires_at)
    row.ip_address, row.user_agent = actor.ip_address, actor.user_agent
    row.save(force_insert=True)
    return TokenPair(access, refresh, row.access_expires_at, row.expires_at)


def token_family_revoke(session_id: UUID, *, user_id: UUID) -> None:
    """Log out of the API: revoke all tokens of the session."""
    with audit_action("accounts.session.logout"):
        record_logout(user_id)
        UserSession.objects.filter(pk=session_id).delete()
