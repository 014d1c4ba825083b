"""Page of an invitation link. It is public and ignores credentials."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from apps.accounts.auth.requests import request_actor
from apps.accounts.services.invitations import invitation_accept
from urfmp.common.admin import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.pages.views.password_reset import INPUT_CLASSES, SetPasswordForm
from urfmp.pages.views.rendering import render_page


class AcceptInvitationForm(SetPasswordForm):
    """Names and password of the invited user."""

    first_name = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name", "class": INPUT_CLASSES}),
    )
    last_name = forms.CharField(
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name", "class": INPUT_CLASSES}),
    )


@never_cache
@sensitive_post_parameters("token", "password", "password2")
@csrf_protect
def accept_invitation(request: HttpRequest) -> HttpResponse:
    """Create the account of an invited user."""
    form = AcceptInvitationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in form.fields if name != "password2"}
        try:
            invitation_accept(request_actor(request), **values)
        except ValidationError as error:
            for name, errors in error.message_dict.items():
                form.add_error(name if name in form.fields else None, errors)
        except ApplicationError as error:
            form.add_error(None, error_messages(error))
        else:
            messages.success(request, "Your account has been created. You can now sign in.")
            return HttpResponseRedirect(reverse("admin:login"))
    response = render_page(request, "pages/accept_invitation.html", "Accept invitation", form=form)
    response.status_code = 400 if form.is_bound else 200
    return response
