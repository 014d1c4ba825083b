from __future__ import annotations

from http import HTTPStatus
from math import ceil

from urfmp.common.exceptions import ApplicationError


class LastAdminError(ApplicationError):
    """This is the last active admin; make another user an admin first."""

    code = "last_admin"


class SystemUserError(ApplicationError):
    """The system user cannot be changed."""

    code = "system_user"


class UnknownScopeError(ApplicationError):
    """A scope does not exist."""

    code = "unknown_scope"


class ApiKeyInactiveError(ApplicationError):
    """This API key is revoked or expired; create a new one."""

    code = "key_ended"


class ApiKeyRotationError(ApplicationError):
    """This API key is already being rotated."""

    code = "key_being_replaced"


class GrantExceedsOwnError(ApplicationError):
    """You cannot grant permissions that you do not have."""

    code = "grant_exceeds_own"
    status = HTTPStatus.FORBIDDEN


class PlanLimitError(ApplicationError):
    """The limit of the organization's plan has been reached."""

    code = "plan_limit"


class RoleNotAllowedError(ApplicationError):
    """Super admins must belong to the platform organization."""

    code = "role_not_here"


class TooManyAttemptsError(ApplicationError):
    """Too many login attempts; try again later.

    Attributes:
        retry_after: Seconds until the next attempt is accepted.
        is_first_rejection: Whether this is the first rejection in the window; only that one is
            written to the audit log.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int, *, is_first_rejection: bool) -> None:
        """Build the message from the waiting time."""
        minutes = ceil(retry_after / 60)
        super().__init__(
            f"Too many attempts. Please try again in {minutes} minute{'s' if minutes > 1 else ''}."
        )
        self.retry_after = retry_after
        self.is_first_rejection = is_first_rejection


class PasswordHashingOverloadedError(ApplicationError):
    """Too many passwords are being checked; try again in a few seconds.

    Attributes:
        retry_after: Seconds until the client should try again.
    """

    code = "busy"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 2


class EmailEnumerationLimitError(ApplicationError):
    """Too many existing e-mail addresses were tried; send an invitation instead.

    Attributes:
        retry_after: Seconds until users can be added directly again.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int) -> None:
        """Use the default message."""
        super().__init__()
        self.retry_after = retry_after


class OutgoingMailLimitError(ApplicationError):
    """Your organization has sent too many e-mails.

    Attributes:
        retry_after: Seconds until the next e-mail can be sent.
    """

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: int) -> None:
        """Build the message from the waiting time."""
        minutes = ceil(retry_after / 60)
        super().__init__(
            "Too many invitations and password links were sent to this address or by your"
            f" organization. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        )
        self.retry_after = retry_after


class LoginFailedError(ApplicationError):
    """Wrong e-mail or password."""

    code = "sign_in_refused"
    status = HTTPStatus.UNAUTHORIZED


class InvalidRefreshTokenError(ApplicationError):
    """This refresh token is invalid or has expired; sign in again."""

    code = "refresh_refused"
    status = HTTPStatus.UNAUTHORIZED


class InvalidLinkError(ApplicationError):
    """This link is invalid: it was used, was replaced, or has expired."""

    code = "link_refused"
    status = HTTPStatus.BAD_REQUEST


class WrongPasswordError(ApplicationError):
    """Wrong password."""

    code = "step_up_refused"
    status = HTTPStatus.FORBIDDEN


class PasswordTooShortError(ApplicationError):
    """Without a second factor, passwords must have at least 15 characters."""

    code = "password_too_short"


class SecondFactorRequiredError(ApplicationError):
    """This account requires a second factor; send `otp` or `recovery_code`."""

    code = "second_factor_required"
    status = HTTPStatus.UNAUTHORIZED


class InvalidSecondFactorError(ApplicationError):
    """The code is wrong, expired or already used."""

    code = "second_factor_refused"
    status = HTTPStatus.UNAUTHORIZED


class SecondFactorStateError(ApplicationError):
    """The second factor is not in the required state."""

    code = "second_factor_state"


class IdempotencyInProgressError(ApplicationError):
    """The same request is in progress; send it again in a second."""

    code = "idempotency_in_progress"
    retry_after = 1


class IdempotencyKeyRequiredError(ApplicationError):
    """Send an Idempotency-Key, so that the request can be repeated safely."""

    code = "idempotency_key_required"
    status = HTTPStatus.BAD_REQUEST


class IdempotencyKeyReusedError(ApplicationError):
    """This Idempotency-Key was already used for another request."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
