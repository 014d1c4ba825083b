"""Require a second factor before a user reaches anything else."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar, cast

from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import reverse

from apps.accounts.models import User
from urfmp.common.http.problem_details import problem_response
from urfmp.common.security.recent_auth import SignIn

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


def precedes_second_factor(view: _View) -> _View:
    """Mark a view for people who still lack a second factor that their organization requires."""
    view.precedes_second_factor = True  # type: ignore[attr-defined]
    return view


def lacks_second_factor(person: User, sign_in: SignIn) -> bool:
    """Tell whether somebody has to set up a second factor before they reach anything."""
    return not sign_in.has_second_factor and is_required(person)


def is_required(person: User) -> bool:
    """Tell whether somebody's organization asks them for a second factor."""
    return bool((person.organization.settings or {}).get("second_factor_required"))


def second_factor_gate(
    request: HttpRequest, view: Callable[..., HttpResponseBase]
) -> HttpResponseBase | None:
    """Return the answer to somebody who has to set up a second factor first."""
    person, sign_in = cast("User", request.user), request.sign_in  # type: ignore[attr-defined]
    if getattr(view, "precedes_second_factor", False) or not lacks_second_factor(person, sign_in):
        return None
    if request.path.startswith("/api/"):
        return problem_response(
            HTTPStatus.FORBIDDEN,
            "second_factor_setup_required",
            "Your organization requires a second factor: set one up by POST auth/second-factor, or"
            " in a browser.",
        )
    return HttpResponseRedirect(reverse("admin:second_factor"))
