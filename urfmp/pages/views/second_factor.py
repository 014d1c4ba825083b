"""A person's own second factor: set up, new recovery codes, do without.

The page is open to everybody who is signed in, and the only one to those who lack a second factor
that their organization requires.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import INPUT_CLASSES

from apps.accounts.auth.login import log_in
from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import trust_device
from apps.accounts.exceptions import (
    InvalidSecondFactorError,
    PasswordTooShortError,
    SecondFactorStateError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from apps.accounts.middleware.second_factor import must_set_up_second_factor
from apps.accounts.models import User
from apps.accounts.services.login import throttle_session_code
from apps.accounts.services.second_factors import (
    pending_second_factor_get,
    recovery_codes_regenerate,
    second_factor_begin,
    second_factor_confirm,
    second_factor_get,
    second_factor_remove,
    totp_setup_display,
)
from apps.accounts.services.step_up import password_verify_sufficient_alone
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.security.recent_auth import is_recent, require_recent_auth
from urfmp.pages.views.rendering import render_page

_TITLE = "Second factor"


class SetupCodeForm(forms.Form):
    """The code that the app shows."""

    code = forms.CharField(
        label="Code of the app",
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "autofocus": True,
                "class": " ".join(INPUT_CLASSES),
            }
        ),
    )


class RemovalForm(forms.Form):
    """The password, which has to do alone afterwards."""

    password = forms.CharField(
        strip=False,
        max_length=MAX_LENGTH,
        widget=forms.PasswordInput(
            attrs={
                "autocomplete": "current-password",
                "autofocus": True,
                "class": " ".join(INPUT_CLASSES),
            }
        ),
    )


@view_policy(home_organization=True)
@never_cache
@sensitive_post_parameters("code", "password")
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Show how the person's second factor stands; a POST names what to do about it."""
    user: Any = request.user
    if request.method != "POST":
        return _render(request, user)
    # Confirming too: it gives a sign-in that counts as new.
    if request.POST.get("do") in {"begin", "confirm", "renew", "remove"}:
        require_recent_auth(request)
    try:
        match request.POST.get("do"):
            case "begin":
                second_factor_begin(user)
            case "confirm":
                return _confirm(request, user)
            case "renew":
                return _recovery_codes_page(request, user, recovery_codes_regenerate(user))
            case "remove":
                return _remove(request, user)
    except SecondFactorStateError:
        messages.warning(request, "That had been done already.")
    return HttpResponseRedirect(reverse("admin:second_factor"))


def _confirm(request: HttpRequest, user: User) -> HttpResponse:
    form = SetupCodeForm(request.POST)
    if form.is_valid():
        try:
            throttle_session_code(user)
            codes = second_factor_confirm(user, form.cleaned_data["code"])
        except InvalidSecondFactorError:
            form.add_error("code", "The app shows another code now. Is the phone's clock right?")
        except TooManyAttemptsError as error:
            form.add_error("code", error.message)
            response = _render(request, user, form)
            response.status_code = error.status
            response["Retry-After"] = str(error.retry_after)
            return response
        else:
            return _recovery_codes_page(request, user, codes)
    return _render(request, user, form)


def _remove(request: HttpRequest, user: User) -> HttpResponse:
    form = RemovalForm(request.POST)
    if form.is_valid():
        try:
            password_verify_sufficient_alone(
                user, request_actor(request), form.cleaned_data["password"]
            )
        except (WrongPasswordError, PasswordTooShortError, TooManyAttemptsError) as error:
            form.add_error("password", error.message)
        else:
            second_factor_remove(user)
            log_in(request, user)
            messages.success(request, "Signing in asks for your password alone from now on.")
            response = HttpResponseRedirect(reverse("admin:second_factor"))
            return trust_device(request, response, user)
    return _render(request, user, removal=form)


def _recovery_codes_page(request: HttpRequest, user: User, codes: list[str]) -> HttpResponse:
    """Show new recovery codes in the answer itself: they are stored nowhere, in no message either.

    The change has ended all of the person's sign-ins; this browser gets a new one, and stays known.
    """
    log_in(request, user, second_factor=True)
    response = render_page(request, "pages/recovery_codes.html", "Recovery codes", codes=codes)
    return trust_device(request, response, user)


def _render(
    request: HttpRequest,
    user: User,
    form: forms.Form | None = None,
    removal: forms.Form | None = None,
) -> HttpResponse:
    factor = second_factor_get(user)
    # Whoever finds a browser open must not see a seed that was begun in it earlier.
    is_shown = factor is None and is_recent(request)
    pending = pending_second_factor_get(user) if is_shown else None
    seed, picture = totp_setup_display(pending) if pending else ("", "")
    return render_page(
        request,
        "pages/second_factor.html",
        _TITLE,
        factor=factor,
        codes_left=len(factor.recovery_digests) if factor else 0,
        seed=seed,
        picture=picture,
        form=form or SetupCodeForm(),
        removal=removal or RemovalForm(),
        asked="remove" if removal else request.GET.get("ask", ""),
        is_required=must_set_up_second_factor(user, request_state(request).authentication),
        organization=user.organization,
    )
