"""Step-up authentication: ask for the password again without losing the submitted form.

The prompt is shown at the URL of the original request and contains its form values, encrypted for
this user and URL, because secrets may be among them. After a successful verification, the view gets
the original values.

The password is verified in its own transaction, before the view's. It locks the user, the second
factor and the session, while the view may lock other rows in its own order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
)
from unfold.widgets import INPUT_CLASSES

from apps.accounts.auth.login import step_up
from apps.accounts.auth.requests import presented_token
from apps.accounts.exceptions import TooManyAttemptsError
from apps.accounts.middleware.principal import PrincipalMiddleware
from apps.accounts.services.step_up import STEP_UP_ERRORS
from urfmp.common.http.request_state import request_state
from urfmp.common.security.field_encryption import DecryptionError, decrypt, encrypt
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.security.recent_auth import StepUpRequiredError
from urfmp.pages.decorators import in_user_timezone, reject_nul
from urfmp.pages.views.rendering import render_page

View = Callable[..., HttpResponseBase]

_PREFIX = "_step_up"
_KEPT = f"{_PREFIX}_kept"
_CSRF = "csrfmiddlewaretoken"
_MAX_KEPT_SECONDS = 15 * 60

Fields = list[tuple[str, str]]


class StepUpForm(forms.Form):
    """Password, and a code if the session used a second factor."""

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
    code = forms.CharField(
        label="Authenticator code or recovery code",
        max_length=50,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "class": " ".join(INPUT_CLASSES)}
        ),
    )

    def __init__(self, request: Any, data: Any = None) -> None:
        """Remove the code field if the session has no second factor."""
        super().__init__(data, prefix=_PREFIX)
        if not request_state(request).authentication.has_second_factor:
            del self.fields["code"]

    def add_prefix(self, field_name: str) -> str:
        """Prefix the field names, to avoid collisions with the original form."""
        return f"{_PREFIX}_{field_name}"


def with_step_up(view: View) -> View:
    """Show the password prompt if a view raises `StepUpRequiredError`."""

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except StepUpRequiredError:
            form = StepUpForm(request)
            return _render_prompt(request, form, str(request.method), _sent_fields(request))

    return update_wrapper(inner, view)


class StepUpMiddleware(PrincipalMiddleware):
    """Verify a submitted step-up password, then continue to the view.

    The verification runs in the user's tenant transaction.
    """

    def process_view(
        self, request: HttpRequest, view: View, args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Return the prompt or a redirect; None to continue to the view."""
        match = request.resolver_match
        is_page = match is not None and match.app_name == "admin"
        if not is_page or request.method != "POST" or _PREFIX not in request.POST:
            return None
        if presented_token(request) is not None:  # API keys cannot open pages
            return None
        verify = reject_nul(in_user_timezone(cast("View", _verify_password)))
        return super().process_view(request, update_wrapper(verify, view), args, kwargs)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Call the next middleware."""
        return self.get_response(request)


def _verify_password(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse | None:
    try:
        fields = _kept_fields(request)
    except DecryptionError:
        text = "Your input was kept for 15 minutes and is gone. Enter it again."
        messages.error(request, text)
        return HttpResponseRedirect(request.get_full_path())
    form = StepUpForm(request, request.POST)
    if (prompt := _step_up_error(request, form, fields)) is not None:
        return prompt
    if request.POST[_PREFIX] == "GET":
        return HttpResponseRedirect(request.get_full_path())
    request.POST = _with_fields(request, fields)
    return None


def _step_up_error(request: HttpRequest, form: StepUpForm, fields: Fields) -> HttpResponse | None:
    method = "GET" if request.POST[_PREFIX] == "GET" else "POST"
    if not form.is_valid():
        return _render_prompt(request, form, method, fields)
    try:
        step_up(request, **form.cleaned_data)
    except STEP_UP_ERRORS as error:
        form.add_error(None, error.message)
        response = _render_prompt(request, form, method, fields)
        if isinstance(error, TooManyAttemptsError):
            response.status_code = error.status
            request_state(request).denied_reason = None
            response["Retry-After"] = str(error.retry_after)
        return response
    return None


def _sent_fields(request: HttpRequest) -> Fields:
    """Return the form values of a request without those of the prompt."""
    return [
        (name, value)
        for name, values in request.POST.lists()
        if name != _CSRF and not name.startswith(_PREFIX)
        for value in values
    ]


def _kept_fields(request: HttpRequest) -> Fields:
    """Return the form values of the request that showed the prompt.

    Raises:
        DecryptionError: They were encrypted for another user or URL, or too long ago.
    """
    fields = _sent_fields(request)
    if not (encrypted := request.POST.get(_KEPT)):
        return fields
    if not request.user.is_authenticated:
        raise DecryptionError
    kept_at, kept = json.loads(decrypt(encrypted, **_place(request)))
    if time.time() - kept_at > _MAX_KEPT_SECONDS:
        raise DecryptionError
    return [(name, value) for name, value in kept] + fields


def _place(request: HttpRequest) -> dict[str, Any]:
    """Return what the values of a form are encrypted for."""
    user: Any = request.user
    return {
        "organization_id": user.organization_id,
        "row_id": user.pk,
        "field": f"step-up {request.get_full_path()}",
    }


def _with_fields(request: HttpRequest, fields: Fields) -> Any:
    values = QueryDict(mutable=True, encoding=request.POST.encoding)
    values[_CSRF] = request.POST.get(_CSRF, "")
    for name, value in fields:
        values.appendlist(name, value)
    return values


def _render_prompt(
    request: HttpRequest, form: StepUpForm, method: str, fields: Fields
) -> HttpResponse:
    kept = ""
    if fields and request.user.is_authenticated:
        kept = encrypt(json.dumps([time.time(), fields]), **_place(request))
    response = render_page(
        request,
        "pages/step_up.html",
        "Confirm access",
        form=form,
        kept=kept,
        kept_name=_KEPT,
        method=method,
    )
    response.status_code = 403
    request_state(request).denied_reason = StepUpRequiredError.code  # written to the audit log
    response["Cache-Control"] = "no-store"
    return response
