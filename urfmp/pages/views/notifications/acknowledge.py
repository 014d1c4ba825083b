"""Page of the link in an e-mail that acknowledges its alerts.

It is public and ignores credentials. Opening it changes nothing.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.auth.requests import request_actor
from apps.alerts.exceptions import InvalidAcknowledgeLinkError
from apps.alerts.services.notifications.acknowledgement import (
    MAX_TOKEN_LENGTH,
    alerts_acknowledge_by_link,
)
from urfmp.common.admin import error_messages
from urfmp.pages.views.rendering import render_page


class AcknowledgeForm(forms.Form):
    """Token of the link; a script enters it."""

    token = forms.CharField(
        label="Code from the e-mail",
        max_length=MAX_TOKEN_LENGTH,
        help_text="The part of the link after #.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@never_cache
@sensitive_post_parameters("token")
@csrf_protect
def acknowledge_alerts(request: HttpRequest) -> HttpResponse:
    """Ask for confirmation, and acknowledge the alerts of an e-mail."""
    form = AcknowledgeForm(request.POST if request.method == "POST" else None)
    result = None
    if form.is_bound and form.is_valid():
        try:
            result = alerts_acknowledge_by_link(
                request_actor(request), token=form.cleaned_data["token"].strip()
            )
        except InvalidAcknowledgeLinkError as error:
            form.add_error(None, error_messages(error))
    response = render_page(
        request, "pages/acknowledge.html", "Acknowledge alerts", form=form, result=result
    )
    response.status_code = 400 if form.is_bound and result is None else 200
    return response
