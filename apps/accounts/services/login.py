"""Signing in, in one step or two.

Between the password and the second factor there is no session, and no row of any table: who has
shown the password is held in a signed cookie for five minutes. It opens nothing by itself, and is
worth nothing after a change of the password.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import known_device
from apps.accounts.exceptions import SecondFactorRefusedError, TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.selectors.credentials import account_of
from apps.accounts.services.second_factors import second_factor_of, second_factor_take
from apps.accounts.services.sessions import session_refuse
from apps.accounts.throttling import SESSION, take_code
from urfmp.common.security.bearer_secrets import digest
from urfmp.common.tenancy.context import tenant_transaction

_SALT = "urfmp.pending"
_AGE_SECONDS = 5 * 60


def password_show(request: HttpRequest, *, email: str, password: str) -> User | None:
    """Return whom an address and a password belong to; a failure is recorded.

    Raises:
        HashingBusyError: Too many passwords are being checked.
        TooManyAttemptsError: The account, or what might be one, has had its attempts.
    """
    try:
        user = authenticate(request, username=email, password=password)
    except TooManyAttemptsError as error:
        if error.is_first:
            session_refuse(request, email=email, reason="Too many attempts.")
        raise
    if not isinstance(user, User):
        session_refuse(request, email=email)
        return None
    return user


def needs_code(user: User) -> bool:
    """Tell whether a password alone does not let this person in.

    One that is too short for it does not, even if the second factor was removed a moment ago.
    """
    with tenant_transaction(user.organization_id):
        return user.leans_on_second_factor or user.has_second_factor


def attempt_take(user: User) -> None:
    """Count one code that somebody who is signed in tries.

    Raises:
        TooManyAttemptsError: There have been too many in sessions of theirs.
    """
    take_code(account_of(user.email).name, SESSION)


def code_check(request: HttpRequest, user: User, code: str, *, place: str | None = None) -> None:
    """Use up one code of a person's second factor; a failure is recorded.

    Args:
        request: Where it comes from.
        user: Whose password was right.
        code: Of the app, or a recovery code.
        place: What counts for itself beside the known device: the session.

    Raises:
        SecondFactorRefusedError: It is wrong, too old, or was used before.
        TooManyAttemptsError: There have been too many.
    """
    account = account_of(user.email)
    try:
        take_code(account.name, place or known_device(request, account))
        with tenant_transaction(user.organization_id, request_actor(request, user_id=user.pk)):
            _take(user, code)
    except SecondFactorRefusedError:
        session_refuse(request, email=user.email, reason="Wrong second factor.")
        raise
    except TooManyAttemptsError as error:
        if error.is_first:
            session_refuse(request, email=user.email, reason="Too many second factors.")
        raise


def _take(user: User, code: str) -> None:
    if (row := second_factor_of(user)) is None:  # taken away since the password was shown
        raise SecondFactorRefusedError
    second_factor_take(row, code)


def _cookie_name() -> str:
    return "urfmp_pending" if settings.INSECURE_HTTP else "__Host-pending"


def _proof(user: User) -> str:
    return digest(user.get_session_auth_hash())


def pending_remember(response: HttpResponse, user: User) -> HttpResponse:
    """Let the browser go on to the second step."""
    response.set_cookie(
        _cookie_name(),
        signing.dumps([str(user.pk), str(user.organization_id), _proof(user)], salt=_SALT),
        max_age=_AGE_SECONDS,
        secure=not settings.INSECURE_HTTP,
        httponly=True,
        samesite="Strict",
    )
    return response


def pending_user(request: HttpRequest) -> User | None:
    """Return who has shown their password here in the last five minutes, if it still is theirs.

    None for whoever has no second factor any more: the password alone lets them in.
    """
    try:
        user_id, organization_id, proof = signing.loads(
            request.COOKIES.get(_cookie_name(), ""), salt=_SALT, max_age=_AGE_SECONDS
        )
    except signing.BadSignature:
        return None
    with tenant_transaction(UUID(organization_id)):
        user: User | None = User.objects.signing_in().filter(pk=user_id).first()
        is_asked = user is not None and _proof(user) == proof and user.has_second_factor
    return user if is_asked else None


def pending_forget(response: HttpResponse) -> HttpResponse:
    """Take the cookie back."""
    response.delete_cookie(_cookie_name(), samesite="Strict")
    return response
