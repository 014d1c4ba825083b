"""When and how the person behind a request has shown who they are, and whether that is enough.

What is dangerous needs a sign-in of the last 15 minutes. It is said in one place for each way in:
`needs_step_up` of an admin class or an `ObjectAction`, `step_up_actions` of an API view, or a call
of `require_fresh` in a page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest

from urfmp.common.exceptions import ApplicationError

FRESH_SECONDS = 15 * 60
_AT, _FACTOR = "auth_at", "second_factor"


@dataclass(frozen=True)
class SignIn:
    """The last time that a person showed their password, within one sign-in.

    Attributes:
        at: Seconds since 1970.
        has_second_factor: Whether a second factor was shown as well.
    """

    at: float = 0
    has_second_factor: bool = False

    @classmethod
    def now(cls, *, has_second_factor: bool) -> SignIn:
        """Return one that is being made."""
        return cls(time.time(), has_second_factor)

    @classmethod
    def read(cls, held: Any) -> SignIn:
        """Return what a session or a token family holds."""
        return cls(float(held.get(_AT) or 0), bool(held.get(_FACTOR)))

    def values(self) -> dict[str, Any]:
        """Return what a session or a token family is to hold."""
        return {_AT: self.at, _FACTOR: self.has_second_factor}


class StepUpRequiredError(ApplicationError):
    """This needs a sign-in of the last 15 minutes: show your password again."""

    code = "step_up_required"
    status = HTTPStatus.FORBIDDEN


def require_fresh(request: HttpRequest) -> None:
    """Let through who has shown their password in the last 15 minutes, and API keys.

    Call it once it is known that the caller may do it at all, and before anything is written. The
    admin then asks for the password and goes on with what was sent; the API answers 403.

    Raises:
        StepUpRequiredError: It is longer ago.
    """
    if not is_fresh(request):
        raise StepUpRequiredError


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether somebody has shown their password in the last 15 minutes, or is an API key."""
    sign_in: SignIn | None = getattr(request, "sign_in", None)
    if sign_in is None:
        return hasattr(request.user, "key_id")  # a key does what its scopes say
    return time.time() - sign_in.at < FRESH_SECONDS
