"""Notifications of the user: severities and quiet hours."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.services.notifications.preferences import preference_get, preference_update
from urfmp.common.http.view_policy import view_policy
from urfmp.pages.views.rendering import render_page

_SEVERITIES = (
    (AlertSeverity.INFO, "All alerts"),
    (AlertSeverity.WARNING, "Warnings and worse"),
    (AlertSeverity.ERROR, "Errors and critical alerts"),
    (AlertSeverity.CRITICAL, "Critical alerts only"),
)


def _clock_field(label: str, help_text: str) -> forms.TimeField:
    classes = " ".join([*INPUT_CLASSES, "u-clock"])
    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time", "class": classes})
    return forms.TimeField(
        label=label, required=False, input_formats=["%H:%M"], help_text=help_text, widget=widget
    )


class PreferenceForm(forms.Form):
    """What a user wants to receive by e-mail and to hear."""

    min_severity = forms.ChoiceField(
        label="E-mails about",
        choices=_SEVERITIES,
        help_text="Your administrators choose whom alerts are sent to. Of those sent to you, you"
        " receive these.",
        widget=UnfoldAdminSelectWidget(),
    )
    quiet_from = _clock_field("Quiet hours from", "")
    quiet_until = _clock_field(
        "Quiet hours until",
        "E-mails wait until the end of the quiet hours. Critical alerts are always sent at once.",
    )
    has_sound = forms.BooleanField(
        label="Play a sound for new critical alerts",
        required=False,
        help_text="On any open page. Browsers play it only after a click or key on the page; the"
        " header says if it is blocked.",
        widget=UnfoldBooleanSwitchWidget(),
    )


@view_policy(home_organization=True)
def own_notifications_page(request: HttpRequest) -> HttpResponse:
    """Show and change the user's own preferences."""
    user: Any = request.user
    preference = preference_get(user)
    initial = {name: getattr(preference, name) for name in PreferenceForm.base_fields}
    form = PreferenceForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        try:
            preference_update(user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            messages.success(request, "Your notifications were changed.")
            return HttpResponseRedirect(reverse("admin:own_notifications_page"))
    response = render_page(
        request,
        "pages/own_notifications.html",
        "My notifications",
        form=form,
        user_timezone=user.effective_timezone,
    )
    response.status_code = 400 if form.is_bound else 200
    return response
