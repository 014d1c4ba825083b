"""Second factor of the user: setup, recovery codes and removal.

Every logged-in user may open the page. Users without a second factor that their organization
requires may open this page only.
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
from apps.accounts.services.passwords import password_verify_without_second_factor
from apps.accounts.services.second_factors import (
    pending_second_factor_get,
    recovery_codes_regenerate,
    second_factor_begin,
    second_factor_confirm,
    second_factor_get,
    second_factor_remove,
    totp_setup_display,
)
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import view_policy
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.security.recent_auth import is_recent, require_recent_auth
from urfmp.pages.views.rendering import render_page

_TITLE = "Two-step verification"


class SetupCodeForm(forms.Form):
    """Current code of the authenticator app."""

    code = forms.CharField(
        label="Authenticator code",
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
    """The password, which is the only factor after the removal."""

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
    """Show the state of the second factor, or change it.

    The POST field `do` names the action.
    """
    user: Any = request.user
    if request.method != "POST":
        return _render(request, user)
    # Confirming requires it too, since it starts a new session.
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
        messages.warning(request, "This has already been done.")
    return HttpResponseRedirect(reverse("admin:second_factor"))


def _confirm(request: HttpRequest, user: User) -> HttpResponse:
    form = SetupCodeForm(request.POST)
    if form.is_valid():
        try:
            with throttle_session_code(user):
                codes = second_factor_confirm(user, form.cleaned_data["code"])
        except InvalidSecondFactorError:
            form.add_error(
                "code", "Incorrect code. Check the clock of your phone and enter the current code."
            )
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
            password_verify_without_second_factor(
                user, request_actor(request), form.cleaned_data["password"]
            )
        except (WrongPasswordError, PasswordTooShortError, TooManyAttemptsError) as error:
            form.add_error("password", error.message)
        else:
            second_factor_remove(user)
            log_in(request, user)
            messages.success(
                request, "Two-step verification is off. You now sign in with your password only."
            )
            response = HttpResponseRedirect(reverse("admin:second_factor"))
            return trust_device(request, response, user)
    return _render(request, user, removal=form)


def _recovery_codes_page(request: HttpRequest, user: User, codes: list[str]) -> HttpResponse:
    """Show new recovery codes.

    This response is the only place that contains them in readable form. The change ended all
    sessions of the user. This browser gets a new session and stays trusted.
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
    # An unattended browser must not show the secret of a setup that was started earlier.
    may_show_setup = factor is None and is_recent(request)
    pending = pending_second_factor_get(user) if may_show_setup else None
    secret, qr_code = totp_setup_display(pending) if pending else ("", "")
    return render_page(
        request,
        "pages/second_factor.html",
        _TITLE,
        factor=factor,
        codes_left=len(factor.recovery_digests) if factor else 0,
        secret=secret,
        qr_code=qr_code,
        form=form or SetupCodeForm(),
        removal=removal or RemovalForm(),
        confirming="remove" if removal else request.GET.get("ask", ""),
        is_required=must_set_up_second_factor(user, request_state(request).authentication),
        organization=user.organization,
    )
