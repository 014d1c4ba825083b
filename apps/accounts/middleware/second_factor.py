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
from urfmp.common.http.problem_details import problem_response
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import policy_of
from urfmp.common.security.authentication_time import AuthenticationTime


def must_set_up_second_factor(person: User, sign_in: AuthenticationTime) -> bool:
    """Tell whether somebody has to set up a second factor before they reach anything."""
    return not sign_in.has_second_factor and is_second_factor_required(person)


def is_second_factor_required(person: User) -> bool:
    """Tell whether somebody's organization asks them for a second factor."""
    return bool((person.organization.settings or {}).get("second_factor_required"))


def second_factor_gate(
    request: HttpRequest, view: Callable[..., HttpResponseBase]
) -> HttpResponseBase | None:
    """Return the answer to somebody who has to set up a second factor first."""
    person, sign_in = cast("User", request.user), request_state(request).authentication
    if policy_of(view, request.method).allow_without_second_factor or not must_set_up_second_factor(
        person, sign_in
    ):
        return None
    if request.path.startswith("/api/"):
        return problem_response(
            HTTPStatus.FORBIDDEN,
            "second_factor_setup_required",
            "Your organization requires a second factor: set one up by POST auth/second-factor, or"
            " in a browser.",
        )
    return HttpResponseRedirect(reverse("admin:second_factor"))
