"""Password reset by e-mail: requesting a link, and using it.

Both pages are public and ignore credentials: the link may belong to another user than the session
in the same browser.
"""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import BASE_INPUT_CLASSES

from apps.accounts.auth.login import request_password_reset
from apps.accounts.auth.requests import request_actor
from apps.accounts.auth.trusted_devices import trust_device
from apps.accounts.exceptions import InvalidLinkError, TooManyAttemptsError
from apps.accounts.services.login import requires_second_factor
from apps.accounts.services.one_time_links import password_set_with_token
from urfmp.common.mail import MailNotConfiguredError
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.pages.views.rendering import render_page

INPUT_CLASSES = " ".join(BASE_INPUT_CLASSES)


class PasswordResetRequestForm(forms.Form):
    """E-mail address of the account."""

    email = forms.EmailField(
        label="E-mail",
        max_length=255,
        widget=forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "class": INPUT_CLASSES}
        ),
    )


class SetPasswordForm(forms.Form):
    """Token of the link, and the new password with confirmation.

    A script fills in the token.
    """

    token = forms.CharField(
        label="Code from the e-mail",
        max_length=200,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "class": INPUT_CLASSES}
        ),
    )
    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=MAX_LENGTH,
        help_text="At least 15 characters, or 8 with a second factor. Several words are easy to"
        " remember. Spaces count.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": INPUT_CLASSES}),
    )
    password2 = forms.CharField(
        label="New password confirmation",
        strip=False,
        max_length=MAX_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": INPUT_CLASSES}),
    )

    def clean(self) -> None:
        """Validate that both passwords match."""
        values = self.cleaned_data
        if {"password", "password2"} <= values.keys() and values["password"] != values["password2"]:
            self.add_error("password2", "The passwords do not match.")


@never_cache
@csrf_protect
def password_reset_request(request: HttpRequest) -> HttpResponse:
    """Send a reset link.

    The response is the same for known and unknown addresses.
    """
    form = PasswordResetRequestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            request_password_reset(request, email=form.cleaned_data["email"])
        except TooManyAttemptsError as error:
            form.add_error(None, error.message)
            response = _form_page(
                request, "password_reset_request", "Reset your password", form, 429
            )
            response["Retry-After"] = str(error.retry_after)
            return response
        except MailNotConfiguredError as error:
            form.add_error(None, error.message)
            return _form_page(request, "password_reset_request", "Reset your password", form, 503)
        return render_page(
            request,
            "pages/password_reset_sent.html",
            "Check your e-mail",
            email=form.cleaned_data["email"],
            is_written_to_files=bool(settings.MAIL_FOLDER),
        )
    return _form_page(
        request,
        "password_reset_request",
        "Reset your password",
        form,
        400 if form.is_bound else 200,
    )


@never_cache
@sensitive_post_parameters("token", "password", "password2")
@csrf_protect
def password_reset_confirm(request: HttpRequest) -> HttpResponse:
    """Set a new password with the token of a link."""
    form = SetPasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            user = password_set_with_token(
                request_actor(request), token=values["token"], password=values["password"]
            )
        except InvalidLinkError as error:
            form.add_error(None, error.message)
        except ValidationError as error:
            form.add_error("password", error.messages)
        else:
            messages.success(request, "Your password has been set. You can now sign in.")
            response = HttpResponseRedirect(reverse("admin:login"))
            if requires_second_factor(user):
                return response
            # The mailbox proves as much as the login that follows, which strangers may obstruct.
            return trust_device(request, response, user)
    return _form_page(
        request, "password_reset_confirm", "Set a password", form, 400 if form.is_bound else 200
    )


def _form_page(
    request: HttpRequest, name: str, title: str, form: forms.Form, status: int
) -> TemplateResponse:
    response = render_page(request, f"pages/{name}.html", title, form=form)
    response.status_code = status
    return response
