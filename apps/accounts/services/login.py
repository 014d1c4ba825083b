"""Second factor of a login: requirement, throttling and verification."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from apps.accounts.exceptions import InvalidSecondFactorError, TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.selectors.credentials import LoginIdentity, login_identity
from apps.accounts.services.login_audit import record_failed_login
from apps.accounts.services.second_factors import second_factor_get, second_factor_verify
from apps.accounts.throttling import SESSION_SCOPE, throttle_code
from urfmp.common.tenancy.context import Actor, tenant_transaction


def requires_second_factor(user: User) -> bool:
    """Return whether the login needs a code in addition to the password.

    Either the user has a second factor, or the password is too short to be used alone. Such a
    password needs a code even if the second factor was removed a moment ago.
    """
    with tenant_transaction(user.organization_id):
        return user.password_needs_second_factor or user.has_second_factor


def throttle_session_code(user: User) -> AbstractContextManager[None]:
    """Count one wrong code of a logged-in user, verified inside.

    Entering raises `TooManyAttemptsError` if the attempts within sessions of this user are used up.
    """
    return throttle_code(login_identity(user.email).account_hash, SESSION_SCOPE)


def verify_code(
    user: User, code: str, *, actor: Actor, identity: LoginIdentity, client_scope: str | None
) -> None:
    """Consume one code of the user's second factor; audit a failure.

    Args:
        user: User whose password was verified.
        code: TOTP code or recovery code.
        actor: Client of the request, without its user.
        identity: Login identity of the user.
        client_scope: Trusted device or `SESSION_SCOPE`, which have attempts of their own.

    Raises:
        InvalidSecondFactorError: The code is wrong, expired or already used.
        TooManyAttemptsError: The attempts are used up.
    """
    try:
        with (
            throttle_code(identity.account_hash, client_scope),
            tenant_transaction(user.organization_id, replace(actor, user_id=user.pk)),
        ):
            _consume(user, code)
    except InvalidSecondFactorError:
        record_failed_login(actor, email=user.email, reason="Wrong second factor.")
        raise
    except TooManyAttemptsError as error:
        if error.is_first_rejection:
            record_failed_login(actor, email=user.email, reason="Too many second factors.")
        raise


def _consume(user: User, code: str) -> None:
    if (row := second_factor_get(user)) is None:  # removed since the password was verified
        raise InvalidSecondFactorError
    second_factor_verify(row, code)
