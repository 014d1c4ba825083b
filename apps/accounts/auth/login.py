"""Log in and out: everything that needs the session or cookies."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY, authenticate, login, logout
from django.http import HttpRequest

from apps.accounts.auth.requests import current_session, request_actor, request_session
from apps.accounts.auth.trusted_devices import trusted_device
from apps.accounts.exceptions import TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.selectors.credentials import login_identity
from apps.accounts.services import login as login_services
from apps.accounts.services import one_time_links
from apps.accounts.services import step_up as step_up_services
from apps.accounts.services.locks import lock_active_user
from apps.accounts.services.login_audit import (
    record_failed_login,
    record_login,
    record_logout,
)
from urfmp.common.http.request_state import request_state
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.tenancy.context import tenant_transaction


def authenticate_password(request: HttpRequest, *, email: str, password: str) -> User | None:
    """Return the user with this e-mail address and password; audit a failure.

    Raises:
        PasswordHashingOverloadedError: Too many passwords are being hashed.
        TooManyAttemptsError: The attempts for this e-mail address are used up, whether or not a
            user has it.
    """
    try:
        user = authenticate(request, username=email, password=password)
    except TooManyAttemptsError as error:
        if error.is_first_rejection:
            record_failed_login(request_actor(request), email=email, reason="Too many attempts.")
        raise
    if not isinstance(user, User):
        record_failed_login(request_actor(request), email=email)
        return None
    return user


def verify_code(request: HttpRequest, user: User, code: str) -> None:
    """Consume one code of the user's second factor; audit a failure.

    A trusted device has its own attempts.

    Args:
        request: Request that carries the code.
        user: User whose password was verified.
        code: TOTP code or recovery code.

    Raises:
        InvalidSecondFactorError: The code is wrong, expired or already used.
        TooManyAttemptsError: The attempts are used up.
    """
    identity = login_identity(user.email)
    login_services.verify_code(
        user,
        code,
        actor=request_actor(request),
        identity=identity,
        client_scope=trusted_device(request, identity),
    )


def log_in(
    request: HttpRequest,
    user: User,
    *,
    second_factor: bool = False,
    authentication: AuthenticationTime | None = None,
) -> None:
    """Create a session for the user and audit the login.

    Args:
        request: Request of the browser; its previous session is deleted.
        user: User who has just authenticated.
        second_factor: Whether the user has also passed the second factor.
        authentication: Time and method of the authentication, if it did not all happen just now.

    Raises:
        LoginFailedError: The user or the organization has been deactivated in the meantime.
    """
    session = request_session(request)
    if SESSION_KEY in session:
        session.flush()  # while the store still has the organization of the previous session
    session.organization_id = user.organization_id
    with tenant_transaction(user.organization_id, request_actor(request, user_id=user.pk)):
        lock_active_user(user)
        login(request, user, backend="apps.accounts.auth.backends.EmailBackend")
        session.update(
            (authentication or AuthenticationTime.now(has_second_factor=second_factor)).values()
        )
        session.save()
        record_login(user.pk)


def log_out(request: HttpRequest) -> None:
    """Delete the session of this browser and audit the logout."""
    user, organization_id = request.user, request_session(request).organization_id
    if user.is_authenticated and organization_id:
        with tenant_transaction(organization_id, request_actor(request, user_id=user.pk)):
            record_logout(user.pk)
            logout(request)


def step_up(request: HttpRequest, *, password: str, code: str = "") -> None:
    """Renew the authentication of the request's session.

    A browser's session gets a new token. A failure is audited, so let the open transaction commit.
    Commit soon: it locks the user, the second factor and the session.

    Args:
        request: Request of a user with a session or an access token.
        password: Password of the user.
        code: Code of the second factor, if the user has one.

    Raises:
        InvalidSecondFactorError: The code is wrong.
        SecondFactorRequiredError: The code is missing and the user has a second factor.
        LoginFailedError: The user was deactivated, or the session revoked, in the meantime.
        WrongPasswordError: The password is wrong.
        TooManyAttemptsError: The attempts within sessions of this user are used up.
    """
    user: Any = request.user
    request_state(request).authentication = step_up_services.step_up(
        user,
        request_actor(request),
        session=current_session(request),
        password=password,
        code=code,
    )


def request_password_reset(request: HttpRequest, *, email: str) -> None:
    """Enqueue a password reset link for an e-mail address.

    Raises:
        MailNotConfiguredError: E-mail is not configured.
        TooManyAttemptsError: Too many links were requested for this e-mail address or from this IP
            address.
    """
    identity = login_identity(email)
    one_time_links.password_reset_request(
        request_actor(request),
        email=email,
        identity=identity,
        client_scope=trusted_device(request, identity),
    )
