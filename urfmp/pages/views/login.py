"""Login, logout and password change.

A request has no organization before the login. No view here reads the rows of a tenant before the
password is verified.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import AnonymousUser
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import BASE_INPUT_CLASSES, INPUT_CLASSES

from apps.accounts.auth.login import authenticate_password, log_in, log_out, verify_code
from apps.accounts.auth.pending_login import (
    pending_login_clear,
    pending_login_get,
    pending_login_set,
)
from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import trust_device
from apps.accounts.exceptions import (
    InvalidSecondFactorError,
    LoginFailedError,
    PasswordHashingOverloadedError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from apps.accounts.services.login import requires_second_factor
from apps.accounts.services.login_audit import USER_DEACTIVATED, record_failed_login
from apps.accounts.services.passwords import password_verify
from apps.accounts.services.users import user_update
from apps.alerts.services.notifications.push import push_sign_out
from urfmp.common.http.outgoing import MAX_URL_LENGTH
from urfmp.common.http.request_state import request_state
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.password_validators import MAX_LENGTH, MIN_LENGTH
from urfmp.pages.views.rendering import render_page

_INVALID_CREDENTIALS = "Wrong e-mail or password. If you forgot your password, reset it below."
# Shown for known and unknown addresses alike, so that it reveals nothing.
_SHORT_PASSWORD_HINT = (
    f"Passwords under {MIN_LENGTH} characters work only with a second factor. If yours was removed,"
    " reset your password."
)
_API_KEY_PRESENT = "This request contains an API key. Remove the key to sign in."


class LoginForm(forms.Form):
    """E-mail address and password."""

    email = forms.EmailField(
        label="E-mail",
        max_length=255,
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "username",
                "autofocus": True,
                "class": " ".join(BASE_INPUT_CLASSES),
            }
        ),
    )
    password = forms.CharField(
        strip=False,
        max_length=MAX_LENGTH,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "current-password", "class": " ".join(BASE_INPUT_CLASSES)}
        ),
    )


def _redirect_target(request: HttpRequest) -> str:
    url = request.POST.get("next") or request.GET.get("next") or ""
    is_safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe else reverse("admin:index")


@never_cache
@sensitive_post_parameters("password")
@csrf_protect
def login_page(request: HttpRequest) -> HttpResponse:
    """Log in with e-mail and password.

    A failure does not reveal which of them was wrong.
    """
    target = _redirect_target(request)
    if admin.site.has_permission(request):
        return HttpResponseRedirect(target)
    # API keys cannot open pages, so the user counts as anonymous. A login is impossible too: the
    # transaction of the key's organization is open, which may differ from the user's.
    has_key = isinstance(request.user, ApiKeyPrincipal)
    if has_key:
        request.user = AnonymousUser()
    form = LoginForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and has_key:
        form.add_error(None, _API_KEY_PRESENT)
    elif request.method == "POST" and form.is_valid():
        return _log_in_with_password(request, form, target)
    return _render_login(request, form, target)


def _log_in_with_password(request: HttpRequest, form: LoginForm, target: str) -> HttpResponse:
    email, password = form.cleaned_data["email"], form.cleaned_data["password"]
    try:
        user = authenticate_password(request, email=email, password=password)
    except TooManyAttemptsError as error:
        form.add_error(None, error.message)
        return _with_retry_after(_render_login(request, form, target), error)
    except PasswordHashingOverloadedError as error:
        form.add_error(None, f"{error.message} Please try again in a few seconds.")
        return _with_retry_after(_render_login(request, form, target), error)
    if user is None:
        form.add_error(
            None,
            f"{_INVALID_CREDENTIALS} {_SHORT_PASSWORD_HINT}"
            if len(password) < MIN_LENGTH
            else _INVALID_CREDENTIALS,
        )
        return _render_login(request, form, target)
    if requires_second_factor(user):
        url = f"{reverse('admin:sign_in_code')}?{urlencode({'next': target})}"
        return pending_login_set(HttpResponseRedirect(url), user)
    try:
        log_in(request, user)
    except LoginFailedError:
        record_failed_login(request_actor(request), email=email, reason=USER_DEACTIVATED)
        form.add_error(None, _INVALID_CREDENTIALS)
        return _render_login(request, form, target)
    return trust_device(request, HttpResponseRedirect(target), user)


class LoginCodeForm(forms.Form):
    """Code from the authenticator app, or a recovery code."""

    code = forms.CharField(
        max_length=50,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autofocus": True,
                "spellcheck": "false",
                "class": " ".join(BASE_INPUT_CLASSES),
            }
        ),
    )


@never_cache
@sensitive_post_parameters("code")
@csrf_protect
def login_code_page(request: HttpRequest) -> HttpResponse:
    """Verify the second factor of a user whose password was correct."""
    target = _redirect_target(request)
    user = pending_login_get(request)
    if user is None:
        if request.method == "POST":
            messages.warning(request, "Your login attempt has expired. Please sign in again.")
        return HttpResponseRedirect(f"{reverse('admin:login')}?{urlencode({'next': target})}")
    form = LoginCodeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            verify_code(request, user, form.cleaned_data["code"])
            log_in(request, user, second_factor=True)
        except InvalidSecondFactorError as error:
            form.add_error("code", error.message)
        except LoginFailedError:
            record_failed_login(request_actor(request), email=user.email, reason=USER_DEACTIVATED)
            form.add_error(None, _INVALID_CREDENTIALS)
        except TooManyAttemptsError as error:
            form.add_error(None, error.message)
            return _with_retry_after(_code_page(request, form, target), error)
        else:
            response = pending_login_clear(HttpResponseRedirect(target))
            return trust_device(request, response, user)
    return _code_page(request, form, target)


def _code_page(request: HttpRequest, form: LoginCodeForm, target: str) -> HttpResponse:
    response = render_page(
        request, "pages/login_code.html", "Two-step verification", form=form, next=target
    )
    response.status_code = 400 if form.is_bound else 200
    return response


def _render_login(request: HttpRequest, form: LoginForm, target: str) -> HttpResponse:
    response = render_page(request, "pages/login.html", "Sign in", form=form, next=target)
    response.status_code = 400 if request.method == "POST" else 200
    return response


def _with_retry_after(
    response: HttpResponse, error: TooManyAttemptsError | PasswordHashingOverloadedError
) -> HttpResponse:
    response.status_code = error.status
    response["Retry-After"] = str(error.retry_after)
    return response


def logout_page(request: HttpRequest) -> HttpResponse:
    """End the session of this browser, and its push messages.

    Only POST is allowed, so that no link can log a user out.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    endpoint = request.POST.get("push_endpoint", "")[:MAX_URL_LENGTH]
    if endpoint and request.user.is_authenticated:
        user: Any = request.user
        push_sign_out(user, endpoint=endpoint)
    log_out(request)
    messages.info(request, "You have signed out.")
    return HttpResponseRedirect(reverse("admin:login"))


class ChangePasswordForm(PasswordChangeForm):
    """Old password, new password and its confirmation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Apply the CSS classes of the theme and limit the length."""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
            field.validators.append(MaxLengthValidator(MAX_LENGTH))  # before anything is hashed
        self.request: Any = None
        self.throttled: TooManyAttemptsError | None = None

    def clean_old_password(self) -> str:
        """Verify the old password, throttled and audited like a login."""
        old_password: str = self.cleaned_data["old_password"]
        try:
            actor = request_actor(self.request)
            password_verify(self.user, actor, old_password, occasion="a change of the password")
        except TooManyAttemptsError as error:
            self.throttled = error
            raise forms.ValidationError(error.message) from error
        except WrongPasswordError as error:
            message = self.error_messages["password_incorrect"]
            raise forms.ValidationError(message, code="password_incorrect") from error
        return old_password


@sensitive_post_parameters()
def password_change(request: HttpRequest) -> HttpResponse:
    """Change the password and end all other sessions.

    This browser gets a new session and becomes the only trusted device.
    """
    user: Any = request.user
    form = ChangePasswordForm(user, request.POST or None)
    form.request = request
    if request.method == "POST" and form.is_valid():
        user_update(user, password=form.cleaned_data["new_password1"])
        previous: AuthenticationTime = request_state(request).authentication
        # With a second factor, the password alone does not count as recent authentication.
        log_in(request, user, authentication=previous if previous.has_second_factor else None)
        messages.success(request, "Your password was changed. Other devices have been signed out.")
        return trust_device(request, HttpResponseRedirect(reverse("admin:index")), user)
    response = render_page(
        request, "registration/password_change_form.html", "Change password", form=form
    )
    return _with_retry_after(response, form.throttled) if form.throttled else response
