"""Django's sessions, kept as rows of `user_sessions`.

Only a person who has signed in has one. Before that nothing is stored: the sign-in form needs
no more than its CSRF cookie, and messages live in a cookie of their own.
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
_TOUCH_AFTER = timedelta(minutes=1)


class SessionStore(SessionBase):
    """One person's session.

    Attributes:
        organization_id: Whose session it is; None before sign-in, which sets it.
        ip_address: Where the request comes from; the middleware sets it.
        user_agent: What the browser calls itself; the middleware sets it.
    """

    _session: dict[str, Any]

    def __init__(self, session_key: str | None = None) -> None:
        """Take the raw token; the database knows its digest alone."""
        super().__init__(session_key)
        self.organization_id: UUID | None = None
        self.ip_address: str | None = None
        self.user_agent = ""
        self._last_activity_at: datetime | None = None
        self._is_new = False

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing, and no token, for one that is over."""
        credential = session_credential(self.session_key) if self.session_key else None
        if credential is None:
            self._session_key = None
            return {}
        self.organization_id = credential.organization_id
        self._last_activity_at = credential.last_activity_at
        return credential.data

    def person(self) -> User | None:
        """Return who is signed in; None where the session, the person or the password is over.

        The row itself is looked for in the same query: while Redis did not take the mark of its
        end, what is cached would bring the session back. Call it inside the organization's
        tenant transaction.
        """
        rows = UserSession.objects.filter(session_token=hash_token(str(self.session_key)))
        people = User.objects.able_to_log_in().filter(Exists(rows), pk=self[SESSION_KEY])
        user: User | None = people.first()
        is_proven = user is not None and session_hash_matches(self.get(HASH_SESSION_KEY, ""), user)
        return user if is_proven else None

    def is_empty(self) -> bool:
        """Tell whether there is nobody to keep a session for, so that no cookie is set."""
        return SESSION_KEY not in self._session

    def exists(self, session_key: str) -> bool:
        """Tell whether a token is in use."""
        return session_credential(session_key) is not None

    def create(self) -> None:
        """Take a new random token; `save` writes the row."""
        self._session_key = secrets.token_urlsafe(_TOKEN_BYTES)
        self._is_new = True
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write the row; nothing while nobody is signed in.

        Raises:
            UpdateError: The session was ended while this request ran.
        """
        if self.is_empty():
            return
        if self.session_key is None:
            self.create()
        if self.organization_id is None:
            msg = "Sign-in names the session's organization before anything is saved."
            raise RuntimeError(msg)
        token_digest = hash_token(str(self.session_key))
        with tenant_transaction(self.organization_id):
            if self._is_new:
                self._insert(self.organization_id, token_digest)
            elif not UserSession.objects.filter(session_token=token_digest).update(
                data=self._session, last_activity_at=timezone.now()
            ):
                raise UpdateError
        if not self._is_new:  # nobody can have read a row that was not there
            invalidate_cached_session(token_digest)
        self._is_new = False

    def renew(self) -> None:
        """Change the token, and keep the session with its end.

        Whoever has a copy of the old one is out.

        Raises:
            UpdateError: The session was ended while this request ran.
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
        """Remove the row, which ends the session on every process."""
        key = session_key or self.session_key
        if key is None or self.organization_id is None:
            return
        with tenant_transaction(self.organization_id):
            UserSession.objects.filter(session_token=hash_token(key)).delete()
        invalidate_cached_session(hash_token(key))

    def touch(self) -> None:
        """Note that the person is active, at most once a minute.

        Call it outside of a transaction: while a request runs the row must not be held, or
        whatever else the person asks for meanwhile, a stop too, would wait for it.
        """
        if self._last_activity_at is None or self.session_key is None:
            return
        if self.organization_id is None:
            return
        if timezone.now() - self._last_activity_at < _TOUCH_AFTER:
            return
        token_digest = hash_token(self.session_key)
        with tenant_transaction(self.organization_id):
            UserSession.objects.filter(session_token=token_digest).record_activity()
        invalidate_cached_session(token_digest)

    @classmethod
    def clear_expired(cls) -> None:
        """Leave it to the `clean_up_sessions` command, which keeps ended rows for 30 days."""
