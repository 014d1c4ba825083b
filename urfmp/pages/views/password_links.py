"""A forgotten password, and the page that a link from an e-mail opens.

Both are for people who are not signed in, and look at no credentials: the link may be somebody
else's than the session in the same browser.
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
from apps.accounts.exceptions import InvalidLinkError, TooManyAttemptsError
from apps.accounts.services.one_time_links import password_set_with_token
from urfmp.common.mail import MailNotConfiguredError
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.pages.views.rendering import render_page

LOOK = " ".join(BASE_INPUT_CLASSES)


class ForgottenForm(forms.Form):
    """Whose password it is."""

    email = forms.EmailField(
        label="E-mail",
        max_length=255,
        widget=forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "class": LOOK}
        ),
    )


class ChooseForm(forms.Form):
    """The code of the link, which a script fills in, and a new password twice."""

    token = forms.CharField(
        label="Code from the e-mail",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": LOOK}),
    )
    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=MAX_LENGTH,
        help_text="At least 15 characters, 8 with a second factor. Several words are easy to"
        " remember; blanks count.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": LOOK}),
    )
    again = forms.CharField(
        label="New password again",
        strip=False,
        max_length=MAX_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": LOOK}),
    )

    def clean(self) -> None:
        """Compare what was typed twice."""
        values = self.cleaned_data
        if "password" in values and "again" in values and values["password"] != values["again"]:
            self.add_error("again", "This is not what you typed above.")


@never_cache
@csrf_protect
def forgot_password(request: HttpRequest) -> HttpResponse:
    """Ask for an address, and say the same whoever's it is."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            request_password_reset(request, email=form.cleaned_data["email"])
        except TooManyAttemptsError as error:
            form.add_error(None, error.message)
            response = _page(request, "forgot_password", "Forgot password", form, 429)
            response["Retry-After"] = str(error.retry_after)
            return response
        except MailNotConfiguredError as error:
            form.add_error(None, error.message)
            return _page(request, "forgot_password", "Forgot password", form, 503)
        return render_page(
            request,
            "pages/forgot_password_sent.html",
            "Look into your mailbox",
            email=form.cleaned_data["email"],
            is_written_to_files=bool(settings.MAIL_FOLDER),
        )
    return _page(request, "forgot_password", "Forgot password", form, 400 if form.is_bound else 200)


@never_cache
@sensitive_post_parameters("token", "password", "again")
@csrf_protect
def choose_password(request: HttpRequest) -> HttpResponse:
    """Take a new password against the code of a link."""
    form = ChooseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            password_set_with_token(
                request_actor(request), token=values["token"], password=values["password"]
            )
        except InvalidLinkError as error:
            form.add_error(None, error.message)
        except ValidationError as error:
            form.add_error("password", error.messages)
        else:
            messages.success(request, "Your password is set. Sign in with it.")
            return HttpResponseRedirect(reverse("admin:login"))
    return _page(
        request, "choose_password", "Choose a password", form, 400 if form.is_bound else 200
    )


def _page(
    request: HttpRequest, name: str, title: str, form: forms.Form, status: int
) -> TemplateResponse:
    response = render_page(request, f"pages/{name}.html", title, form=form)
    response.status_code = status
    return response
