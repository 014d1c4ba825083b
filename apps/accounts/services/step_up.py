"""Step-up authentication: verify the password again within a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import UpdateError

from apps.accounts.exceptions import (
    InvalidSecondFactorError,
    LoginFailedError,
    SecondFactorRequiredError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from apps.accounts.models import User, UserSession
from apps.accounts.selectors.credentials import login_identity
from apps.accounts.services.locks import lock_active_user
from apps.accounts.services.login import verify_code
from apps.accounts.services.passwords import password_verify
from apps.accounts.services.session_store import SessionStore
from apps.accounts.throttling import SESSION_SCOPE
from apps.audit.services.audit_logs import audit_record
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.tenancy.context import Actor, audit_action, switch_organization_transaction

STEP_UP_ERRORS = (
    InvalidSecondFactorError,
    SecondFactorRequiredError,
    LoginFailedError,
    WrongPasswordError,
    TooManyAttemptsError,
)


def step_up(
    user: User,
    actor: Actor,
    *,
    session: SessionStore | UUID,
    password: str,
    code: str = "",
) -> AuthenticationTime:
    """Renew the authentication of a session.

    A browser's session gets a new token. The session's expiry does not change. A failure is
    audited, so let the open transaction commit. Commit soon: it locks the user, the second factor
    and the session.

    Args:
        user: Logged-in user.
        actor: Client of the request, without its user.
        session: Session of the browser, or the id of the session of an access token.
        password: Password of the user.
        code: Code of the second factor, if the user has one.

    Returns:
        The new time and method of the authentication.

    Raises:
        InvalidSecondFactorError: The code is wrong.
        SecondFactorRequiredError: The code is missing and the user has a second factor.
        LoginFailedError: The user was deactivated, or the session revoked, in the meantime.
        WrongPasswordError: The password is wrong.
        TooManyAttemptsError: The attempts within sessions of this user are used up.
    """
    with _in_home_organization(user):
        try:
            outcome: AuthenticationTime | Exception = _step_up(user, actor, session, password, code)
        except STEP_UP_ERRORS as error:
            outcome = error  # raising here would roll back its audit row
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@contextmanager
def _in_home_organization(user: User) -> Iterator[None]:
    """Switch a super admin to the platform.

    The user's rows are stored there. Other users are in their home organization anyway.
    """
    if user.home_organization_id is None:
        yield
        return
    switched_to = user.organization_id
    user.organization_id, user.home_organization_id = user.home_organization_id, None
    try:
        with switch_organization_transaction(user.organization_id):
            yield
    finally:
        user.switch_organization(switched_to)


def _step_up(
    user: User, actor: Actor, session: SessionStore | UUID, password: str, code: str
) -> AuthenticationTime:
    password_verify(user, actor, password, occasion="a step-up")
    lock_active_user(user)
    has_second_factor = user.has_second_factor
    if has_second_factor:
        if not code:
            raise SecondFactorRequiredError
        identity = login_identity(user.email)
        verify_code(user, code, actor=actor, identity=identity, client_scope=SESSION_SCOPE)
    authentication = AuthenticationTime.now(has_second_factor=has_second_factor)
    with audit_action("accounts.session.step_up"):
        if isinstance(session, UUID):
            root = UserSession.objects.select_for_update().filter(pk=session).first()
            if root is None:
                raise LoginFailedError
            root.data |= authentication.values()
            root.save(update_fields=["data"])
        else:
            _renew(session, authentication.values())
        audit_record(action="accounts.session.step_up", resource_type="user", resource_id=user.pk)
    return authentication


def _renew(session: SessionStore, values: dict[str, Any]) -> None:
    session.update(values)
    try:
        session.renew()
    except UpdateError as error:
        session.flush()
        raise LoginFailedError from error
