"""Session store for Django that keeps sessions as rows of `user_sessions`.

Only logged-in users have a session. Before the login nothing is stored: the login form needs only
its CSRF cookie, and messages have a cookie of their own.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db.models import Exists
from django.utils import timezone

from apps.accounts.models import User, UserSession
from apps.accounts.selectors.api_tokens import session_hash_matches
from apps.accounts.selectors.credentials import (
    invalidate_cached_session,
    new_session_expiry,
    session_credential,
)
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import tenant_transaction

_TOKEN_BYTES = 32
_TOUCH_INTERVAL = timedelta(minutes=1)


class SessionStore(SessionBase):
    """Session of one user.

    Attributes:
        organization_id: Organization of the user; None before the login, which sets it.
        ip_address: IP address of the client; the middleware sets it.
        user_agent: User agent of the browser; the middleware sets it.
    """

    _session: dict[str, Any]

    def __init__(self, session_key: str | None = None) -> None:
        """Set the raw token; the database stores only its digest."""
        super().__init__(session_key)
        self.organization_id: UUID | None = None
        self.ip_address: str | None = None
        self.user_agent = ""
        self._last_activity_at: datetime | None = None
        self._is_new = False

    def load(self) -> dict[str, Any]:
        """Return the data; clear the token of an invalid session."""
        credential = session_credential(self.session_key) if self.session_key else None
        if credential is None:
            self._session_key = None
            return {}
        self.organization_id = credential.organization_id
        self._last_activity_at = credential.last_activity_at
        return credential.data

    def get_user(self) -> User | None:
        """Return the logged-in user.

        None if the session was revoked, the user was deactivated or the password changed. The same
        query checks the session's row: if Redis missed its invalidation, the cached data would
        restore the session. Call it inside the organization's tenant transaction.
        """
        rows = UserSession.objects.filter(session_token=hash_token(str(self.session_key)))
        users = User.objects.able_to_log_in().filter(Exists(rows), pk=self[SESSION_KEY])
        user: User | None = users.first()
        is_valid = user is not None and session_hash_matches(self.get(HASH_SESSION_KEY, ""), user)
        return user if is_valid else None

    def is_empty(self) -> bool:
        """Return whether the session has no user; then no cookie is set."""
        return SESSION_KEY not in self._session

    def exists(self, session_key: str) -> bool:
        """Return whether a session with this token exists."""
        return session_credential(session_key) is not None

    def create(self) -> None:
        """Generate a new random token; `save` writes the row."""
        self._session_key = secrets.token_urlsafe(_TOKEN_BYTES)
        self._is_new = True
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write the row; do nothing without a logged-in user.

        Raises:
            UpdateError: The session was revoked while this request ran.
        """
        if self.is_empty():
            return
        if self.session_key is None:
            self.create()
        if self.organization_id is None:
            msg = "The login must set the session's organization before it is saved."
            raise RuntimeError(msg)
        token_digest = hash_token(str(self.session_key))
        with tenant_transaction(self.organization_id):
            if self._is_new:
                self._insert(self.organization_id, token_digest)
            elif not UserSession.objects.filter(session_token=token_digest).update(
                data=self._session, last_activity_at=timezone.now()
            ):
                raise UpdateError
        if not self._is_new:  # a new row cannot be cached yet
            invalidate_cached_session(token_digest)
        self._is_new = False

    def renew(self) -> None:
        """Replace the token; the session and its expiry stay.

        Copies of the old token become invalid.

        Raises:
            UpdateError: The session was revoked while this request ran.
        """
        old = hash_token(str(self.session_key))
        self._session_key = secrets.token_urlsafe(_TOKEN_BYTES)
        changed = UserSession.objects.filter(session_token=old).update(
            session_token=hash_token(self._session_key),
            data=self._session,
            last_activity_at=timezone.now(),
        )
        if not changed:
            raise UpdateError
        invalidate_cached_session(old)
        self.modified = True

    def _insert(self, organization_id: UUID, token_digest: str) -> None:
        UserSession.objects.create(
            organization_id=organization_id,
            user_id=UUID(self._session[SESSION_KEY]),
            session_token=token_digest,
            data=self._session,
            expires_at=new_session_expiry(),
            ip_address=self.ip_address,
            user_agent=self.user_agent,
        )

    def delete(self, session_key: str | None = None) -> None:
        """Delete the row, which revokes the session for all processes."""
        key = session_key or self.session_key
        if key is None or self.organization_id is None:
            return
        with tenant_transaction(self.organization_id):
            UserSession.objects.filter(session_token=hash_token(key)).delete()
        invalidate_cached_session(hash_token(key))

    def touch(self) -> None:
        """Record the user's activity, at most once a minute.

        Call it outside of a transaction. Otherwise the row stays locked while the request runs, and
        other requests of the user, such as an emergency stop, would wait for it.
        """
        if self._last_activity_at is None or self.session_key is None:
            return
        if self.organization_id is None:
            return
        if timezone.now() - self._last_activity_at < _TOUCH_INTERVAL:
            return
        token_digest = hash_token(self.session_key)
        with tenant_transaction(self.organization_id):
            UserSession.objects.filter(session_token=token_digest).record_activity()
        invalidate_cached_session(token_digest)

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: `clean_up_sessions` deletes rows 30 days after expiry."""
