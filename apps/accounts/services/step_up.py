"""Show the password again, within a sign-in, before something dangerous."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest

from apps.accounts.auth.password_validators import ALONE, MAX_LENGTH
from apps.accounts.auth.requests import session_of
from apps.accounts.auth.session_store import SessionStore
from apps.accounts.exceptions import (
    PasswordTooShortError,
    SecondFactorRefusedError,
    SecondFactorRequiredError,
    SignInRefusedError,
    StepUpRefusedError,
    TooManyAttemptsError,
)
from apps.accounts.models import User, UserSession
from apps.accounts.selectors.credentials import account_of
from apps.accounts.services.locks import standing_hold
from apps.accounts.services.login import code_check
from apps.accounts.services.sessions import session_refuse
from apps.accounts.throttling import SESSION, password_attempt
from apps.audit.services.audit_logs import audit_record
from urfmp.common.security.recent_auth import SignIn
from urfmp.common.tenancy.context import act, crossing_transaction

StepUpFailure = (
    SecondFactorRefusedError,
    SecondFactorRequiredError,
    SignInRefusedError,
    StepUpRefusedError,
    TooManyAttemptsError,
)


def step_up(request: HttpRequest, *, password: str, code: str = "") -> None:
    """Make the sign-in that a request comes from a fresh one; a browser's session gets a new token.

    Its end stays where it was. A failure is recorded: let the open transaction commit, and soon, as
    it holds the person, their second factor and the session.

    Args:
        request: Of somebody who is signed in, by session or access token.
        password: Theirs.
        code: Of their second factor, if they have one.

    Raises:
        SecondFactorRefusedError: The code is wrong.
        SecondFactorRequiredError: There is none, and they have a second factor.
        SignInRefusedError: They were deactivated, or the sign-in was ended, meanwhile.
        StepUpRefusedError: The password is wrong.
        TooManyAttemptsError: There have been too many, in sessions of theirs.
    """
    user: Any = request.user
    failure: Exception | None = None
    with _at_home(user):
        try:
            _step_up(request, user, password, code)
        except StepUpFailure as error:
            failure = error  # raised in here it would take its record along
    if failure is not None:
        raise failure


@contextmanager
def _at_home(user: User) -> Iterator[None]:
    """Step home for a moment: there are a super admin's password, sessions and second factor."""
    if user.home_organization_id is None:
        yield
        return
    chosen = user.organization_id
    user.organization_id, user.home_organization_id = user.home_organization_id, None
    try:
        with crossing_transaction(user.organization_id):
            yield
    finally:
        user.work_in(chosen)


def _step_up(request: HttpRequest, user: User, password: str, code: str) -> None:
    password_check(request, user, password, where="a step-up")
    standing_hold(user)
    has_second_factor = user.has_second_factor
    if has_second_factor:
        if not code:
            raise SecondFactorRequiredError
        code_check(request, user, code, place=SESSION)
    sign_in = SignIn.now(has_second_factor=has_second_factor)
    with act("accounts.session.step_up"):
        if (session_id := getattr(request, "token_session_id", None)) is not None:
            root = UserSession.objects.select_for_update().filter(pk=session_id).first()
            if root is None:
                raise SignInRefusedError
            root.data |= sign_in.values()
            root.save(update_fields=["data"])
        else:
            _renew(session_of(request), sign_in.values())
        audit_record(action="accounts.session.step_up", resource_type="user", resource_id=user.pk)
    request.sign_in = sign_in  # type: ignore[attr-defined]


def _renew(session: SessionStore, values: dict[str, Any]) -> None:
    session.update(values)
    try:
        session.renew()
    except UpdateError as error:
        session.flush()
        raise SignInRefusedError from error


def password_check(request: HttpRequest, user: User, password: str, *, where: str) -> None:
    """Check the password of somebody who is signed in; a failure is recorded.

    Args:
        request: Theirs.
        user: Who they are.
        password: What they have typed.
        where: At what, for the record.

    Raises:
        StepUpRefusedError: It is not theirs.
        TooManyAttemptsError: There have been too many, in sessions of theirs.
    """
    try:
        with password_attempt(account_of(user.email).name, SESSION):
            is_right = len(password) <= MAX_LENGTH and user.check_password(password)
    except TooManyAttemptsError as error:
        if error.is_first:
            session_refuse(request, email=user.email, reason="Too many attempts.")
        raise
    if not is_right:
        session_refuse(request, email=user.email, reason=f"Wrong password at {where}.")
        raise StepUpRefusedError


def password_check_alone(request: HttpRequest, user: User, password: str) -> None:
    """Check a person's password, and that it is long enough to do without a second factor.

    A wrong one is recorded: let the open transaction commit.

    Raises:
        PasswordTooShortError: It is theirs, and was chosen for use beside one.
        StepUpRefusedError: It is not theirs.
        TooManyAttemptsError: There have been too many, in sessions of theirs.
    """
    password_check(request, user, password, where="the removal of the second factor")
    if len(password) < ALONE:
        raise PasswordTooShortError
