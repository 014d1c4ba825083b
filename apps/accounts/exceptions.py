from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import ClassVar

from urfmp.common.exceptions import ApplicationError


class LastAdminError(ApplicationError):
    """This is the organization's last active admin; make somebody else one first."""

    code = "last_admin"


class SystemUserError(ApplicationError):
    """The system user is the author of what no person does; nobody changes it."""

    code = "system_user"


class UnknownScopeError(ApplicationError):
    """A scope does not exist."""

    code = "unknown_scope"


class KeyEndedError(ApplicationError):
    """This key has been revoked or has expired; make a new one."""

    code = "key_ended"


class KeyReplacedError(ApplicationError):
    """This key is being replaced."""

    code = "key_being_replaced"


class GrantError(ApplicationError):
    """Nobody grants more than they have."""

    code = "grant_exceeds_own"
    status = HTTPStatus.FORBIDDEN


class PlanLimitError(ApplicationError):
    """The organization's plan allows no more of these."""

    code = "plan_limit"


class RoleNotHereError(ApplicationError):
    """Super admins belong to the platform's own organization."""

    code = "role_not_here"


class TooManyAttemptsError(ApplicationError):
    """Too many attempts to sign in; wait a while.

    Attributes:
        retry_after: Seconds until a password is looked at again.
        is_first: Whether nobody was refused for this before, so that the record is told once.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int, *, is_first: bool) -> None:
        """Say when to come back."""
        minutes = ceil(retry_after / 60)
        super().__init__(
            f"Too many attempts. Please try again in {minutes} minute{'s' if minutes > 1 else ''}."
        )
        self.retry_after = retry_after
        self.is_first = is_first


class HashingBusyError(ApplicationError):
    """Too many passwords are being checked at this moment.

    Attributes:
        retry_after: Seconds until it is worth another try.
    """

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 2


class AddressesRefusedError(ApplicationError):
    """Too many addresses of others were tried; invite people, which works at any time.

    Attributes:
        retry_after: Seconds until people are added directly again.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int) -> None:
        """Say when to come back."""
        super().__init__()
        self.retry_after = retry_after


class MailRefusedError(ApplicationError):
    """Your organization has sent enough e-mail for a while.

    Attributes:
        retry_after: Seconds until more is sent.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int) -> None:
        """Say when to come back."""
        minutes = ceil(retry_after / 60)
        super().__init__(
            "Your organization has sent as many invitations and links, here or in all, as"
            f" it may for a while. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        )
        self.retry_after = retry_after


class SignInRefusedError(ApplicationError):
    """E-mail or password is not right."""

    code = "sign_in_refused"
    status = HTTPStatus.UNAUTHORIZED


class RefreshRefusedError(ApplicationError):
    """This refresh token is unknown, used up or expired; sign in again."""

    code = "refresh_refused"
    status = HTTPStatus.UNAUTHORIZED


class LinkRefusedError(ApplicationError):
    """This link is no longer good: it was used, replaced by a newer one, or is too old."""

    code = "link_refused"
    status = HTTPStatus.BAD_REQUEST


class StepUpRefusedError(ApplicationError):
    """The password is not right."""

    code = "step_up_refused"
    status = HTTPStatus.FORBIDDEN


class PasswordTooShortError(ApplicationError):
    """Without a second factor a password has 15 characters; take a longer one first."""

    code = "password_too_short"


class SecondFactorRequiredError(ApplicationError):
    """This account has a second factor: send the code of its app, or a recovery code, along."""

    code = "second_factor_required"
    status = HTTPStatus.UNAUTHORIZED


class SecondFactorRefusedError(ApplicationError):
    """The code is wrong, too old, or was used before."""

    code = "second_factor_refused"
    status = HTTPStatus.UNAUTHORIZED


class SecondFactorStateError(ApplicationError):
    """The second factor is not in that state."""

    code = "second_factor_state"


class IdempotencyInProgressError(ApplicationError):
    """The same request is being carried out at this moment; send it again in a second."""

    code = "idempotency_in_progress"
    retry_after: ClassVar[int] = 1


class IdempotencyKeyReusedError(ApplicationError):
    """This Idempotency-Key was used for another request; take a new one for each."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
