"""Require that the user entered their password in the last 15 minutes.

Dangerous operations need it. Each kind of caller declares it in one place: `needs_step_up` of an
admin class or an `ObjectAction`, `step_up_actions` of an API view, or a call of
`require_recent_auth` in a page.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from django.http import HttpRequest

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.request_state import request_state

RECENT_AUTH_SECONDS = 15 * 60


class StepUpRequiredError(ApplicationError):
    """Enter your password again to perform this action."""

    code = "step_up_required"
    status = HTTPStatus.FORBIDDEN


class UserRequiredError(ApplicationError):
    """API keys cannot perform this action; log in as a user."""

    code = "user_required"
    status = HTTPStatus.FORBIDDEN


def require_recent_auth(request: HttpRequest) -> None:
    """Require a password entered in the last 15 minutes; API keys pass.

    Call it after the permission check and before anything is written. The admin then asks for the
    password and repeats the request; the API returns 403.

    Raises:
        StepUpRequiredError: The user entered the password longer ago.
    """
    if not is_recent(request):
        raise StepUpRequiredError


def require_recent_user_auth(request: HttpRequest) -> None:
    """Require a user who entered their password in the last 15 minutes.

    Acts that weaken the protection of accounts or delete data need it: an API key is used
    unattended and may leak.

    Raises:
        StepUpRequiredError: The user entered the password longer ago.
        UserRequiredError: The principal is an API key.
    """
    if _is_api_key(request):
        raise UserRequiredError
    require_recent_auth(request)


def is_recent(request: HttpRequest) -> bool:
    """Return whether the user authenticated in the last 15 minutes.

    Always True for API keys.
    """
    age_seconds = time.time() - request_state(request).authentication.at
    # The scopes of an API key decide alone.
    return age_seconds < RECENT_AUTH_SECONDS or _is_api_key(request)


def _is_api_key(request: HttpRequest) -> bool:
    return hasattr(request.user, "key_id")
