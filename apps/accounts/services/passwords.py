"""Verify the password of a logged-in user."""

from __future__ import annotations

from apps.accounts.exceptions import (
    PasswordTooShortError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from apps.accounts.models import User
from apps.accounts.selectors.credentials import login_identity
from apps.accounts.services.login_audit import record_failed_login
from apps.accounts.throttling import SESSION_SCOPE, throttle_password
from urfmp.common.security.password_validators import MAX_LENGTH, MIN_LENGTH
from urfmp.common.tenancy.context import Actor


def password_verify(user: User, actor: Actor, password: str, *, occasion: str) -> None:
    """Verify the password of a logged-in user; audit a failure.

    Args:
        user: Logged-in user.
        actor: Client of the request, without its user.
        password: Password that was entered.
        occasion: Occasion for the audit log, such as "a step-up".

    Raises:
        WrongPasswordError: The password is wrong.
        TooManyAttemptsError: The attempts within sessions of this user are used up.
    """
    try:
        with throttle_password(login_identity(user.email).account_hash, SESSION_SCOPE) as attempt:
            attempt.is_right = len(password) <= MAX_LENGTH and user.check_password(password)
    except TooManyAttemptsError as error:
        if error.is_first_rejection:
            record_failed_login(actor, email=user.email, reason="Too many attempts.")
        raise
    if not attempt.is_right:
        record_failed_login(actor, email=user.email, reason=f"Wrong password at {occasion}.")
        raise WrongPasswordError


def password_verify_without_second_factor(user: User, actor: Actor, password: str) -> None:
    """Verify a password that must be long enough without a second factor.

    A wrong password is audited, so let the open transaction commit.

    Raises:
        PasswordTooShortError: The password is right, but valid only with a second factor.
        WrongPasswordError: The password is wrong.
        TooManyAttemptsError: The attempts within sessions of this user are used up.
    """
    password_verify(user, actor, password, occasion="the removal of the second factor")
    if len(password) < MIN_LENGTH:
        raise PasswordTooShortError
