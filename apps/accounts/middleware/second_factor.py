"""Require a second factor before a user reaches anything else."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import reverse

from apps.accounts.models import User
from urfmp.common.http.api_paths import is_api_path
from urfmp.common.http.problem_details import problem_response
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import policy_of
from urfmp.common.security.authentication_time import AuthenticationTime


def must_set_up_second_factor(user: User, authentication: AuthenticationTime) -> bool:
    """Return whether the user must first set up a second factor."""
    return not authentication.has_second_factor and is_second_factor_required(user)


def is_second_factor_required(user: User) -> bool:
    """Return whether the user's organization requires a second factor."""
    return bool((user.organization.settings or {}).get("second_factor_required"))


def second_factor_gate(
    request: HttpRequest, view: Callable[..., HttpResponseBase]
) -> HttpResponseBase | None:
    """Deny users who must set up a second factor; None for others."""
    user, authentication = cast("User", request.user), request_state(request).authentication
    if policy_of(view, request.method).allow_without_second_factor:
        return None
    if not must_set_up_second_factor(user, authentication):
        return None
    if is_api_path(request.path):
        return problem_response(
            HTTPStatus.FORBIDDEN,
            "second_factor_setup_required",
            "Your organization requires a second factor. Set one up with POST auth/second-factor or"
            " in a browser.",
        )
    return HttpResponseRedirect(reverse("admin:second_factor"))
