"""Sign in, sign out, another password.

Before sign-in a request has no organization: nothing here asks for a tenant's rows until the
password has been checked.
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
from apps.accounts.services.step_up import password_verify
from apps.accounts.services.users import user_update
from urfmp.common.http.request_state import request_state
from urfmp.common.security.authentication_time import AuthenticationTime
from urfmp.common.security.password_validators import ALONE, MAX_LENGTH
from urfmp.pages.views.rendering import render_page

_INVALID_CREDENTIALS = "E-mail or password is not right. Please try again."
# Said of whatever is typed, whether or not it is anybody's.
_SHORT_PASSWORD_HINT = (
    f"A password under {ALONE} characters works beside a second factor only; if yours was removed,"
    " choose another one under “Forgot password?”."
)
_API_KEY_PRESENT = "This request carries an API key. Sign in without it."


class LoginForm(forms.Form):
    """Address and password."""

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
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")


@never_cache
@sensitive_post_parameters("password")
@csrf_protect
def login_page(request: HttpRequest) -> HttpResponse:
    """Ask for address and password; a failure does not tell which of them was wrong."""
    target = _redirect_target(request)
    if admin.site.has_permission(request):
        return HttpResponseRedirect(target)
    # A key opens no page, so whoever comes with one is not signed in; and it cannot sign in
    # either, as its organization's transaction is open, which may not be the person's.
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
            if len(password) < ALONE
            else _INVALID_CREDENTIALS,
        )
        return _render_login(request, form, target)
    if requires_second_factor(user):
        address = f"{reverse('admin:sign_in_code')}?{urlencode({'next': target})}"
        return pending_login_set(HttpResponseRedirect(address), user)
    try:
        log_in(request, user)
    except LoginFailedError:
        record_failed_login(request_actor(request), email=email, reason=USER_DEACTIVATED)
        form.add_error(None, _INVALID_CREDENTIALS)
        return _render_login(request, form, target)
    return trust_device(request, HttpResponseRedirect(target), user)


class LoginCodeForm(forms.Form):
    """A code of the app, or a recovery code."""

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
    """Ask whoever has shown their password for a code of their second factor."""
    target = _redirect_target(request)
    user = pending_login_get(request)
    if user is None:
        if request.method == "POST":
            messages.warning(request, "That took longer than five minutes. Begin again.")
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
        request, "pages/sign_in_code.html", "Second factor", form=form, next=target
    )
    response.status_code = 400 if form.is_bound else 200
    return response


def _render_login(request: HttpRequest, form: LoginForm, target: str) -> HttpResponse:
    response = render_page(request, "pages/sign_in.html", "Sign in", form=form, next=target)
    response.status_code = 400 if request.method == "POST" else 200
    return response


def _with_retry_after(
    response: HttpResponse, error: TooManyAttemptsError | PasswordHashingOverloadedError
) -> HttpResponse:
    response.status_code = error.status
    response["Retry-After"] = str(error.retry_after)
    return response


def logout_page(request: HttpRequest) -> HttpResponse:
    """End the session of this browser; by POST alone, so that no link can do it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    log_out(request)
    messages.info(request, "You are signed out.")
    return HttpResponseRedirect(reverse("admin:login"))


class ChangePasswordForm(PasswordChangeForm):
    """The old password, and a new one twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give the fields the theme's look."""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(INPUT_CLASSES)
            field.validators.append(MaxLengthValidator(MAX_LENGTH))  # before anything is hashed
        self.request: Any = None
        self.refusal: TooManyAttemptsError | None = None

    def clean_old_password(self) -> str:
        """Look at the old password, as often as at sign-in; a failure is recorded."""
        given: str = self.cleaned_data["old_password"]
        try:
            actor = request_actor(self.request)
            password_verify(self.user, actor, given, where="a change of the password")
        except TooManyAttemptsError as error:
            self.refusal = error
            raise forms.ValidationError(error.message) from error
        except WrongPasswordError as error:
            message = self.error_messages["password_incorrect"]
            raise forms.ValidationError(message, code="password_incorrect") from error
        return given


@sensitive_post_parameters()
def password_change(request: HttpRequest) -> HttpResponse:
    """Take another password. It ends all sessions of the person; this browser gets a new one.

    It stays a known device as well, and is the only one.
    """
    user: Any = request.user
    form = ChangePasswordForm(user, request.POST or None)
    form.request = request
    if request.method == "POST" and form.is_valid():
        user_update(user, password=form.cleaned_data["new_password1"])
        before: AuthenticationTime = request_state(request).authentication
        # The password alone is no step-up for those of whom a code is asked as well.
        log_in(request, user, sign_in=before if before.has_second_factor else None)
        messages.success(request, "Your password is changed. Other devices have been signed out.")
        return trust_device(request, HttpResponseRedirect(reverse("admin:index")), user)
    response = render_page(
        request, "registration/password_change_form.html", "Change password", form=form
    )
    return _with_retry_after(response, form.refusal) if form.refusal else response
