"""Notifications of the user: severities, quiet hours, and browsers with push messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.accounts.models.device_names import device_name
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.selectors.push import own_push_subscriptions, sends_push_messages
from apps.alerts.services.notifications.preferences import preference_get, preference_update
from apps.alerts.services.notifications.push import push_key, push_subscribe, push_unsubscribe
from urfmp.common.admin import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.outgoing import MAX_URL_LENGTH
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
    """What a user wants to receive, and to hear."""

    min_severity = forms.ChoiceField(
        label="Messages about",
        choices=_SEVERITIES,
        help_text="Your administrators choose whom alerts are sent to. Of those sent to you, you"
        " receive these.",
        widget=UnfoldAdminSelectWidget(),
    )
    quiet_from = _clock_field("Quiet hours from", "")
    quiet_until = _clock_field(
        "Quiet hours until",
        "E-mails and push messages wait until the end of the quiet hours. Critical alerts are"
        " always sent at once.",
    )
    has_sound = forms.BooleanField(
        label="Play a sound for new critical alerts",
        required=False,
        help_text="On any open page. Browsers play it only after a click or key on the page; the"
        " header says if it is blocked.",
        widget=UnfoldBooleanSwitchWidget(),
    )


class BrowserForm(forms.Form):
    """Answer of the browser's push service; a script enters it."""

    endpoint = forms.CharField(max_length=MAX_URL_LENGTH)
    browser_key = forms.CharField(max_length=100)
    auth_secret = forms.CharField(max_length=100)


@view_policy(home_organization=True)
@sensitive_post_parameters("endpoint", "browser_key", "auth_secret")
def own_notifications_page(request: HttpRequest) -> HttpResponse:
    """Show and change the user's own preferences and browsers."""
    if request.POST.get("browser"):
        return _change_browsers(request, request.POST["browser"])
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
        browsers=own_push_subscriptions(user),
        sends_push_messages=sends_push_messages(user),
        # The first view creates the key; HEAD must not write.
        push_key="" if request.method == "HEAD" else push_key(user.organization_id).public_key,
    )
    response.status_code = 400 if form.is_bound else 200
    return response


def _change_browsers(request: HttpRequest, selection: str) -> HttpResponse:
    """Subscribe this browser, for `on`, or end the subscription with an id."""
    user: Any = request.user
    if selection == "on":
        _subscribe(request, user)
    else:
        try:
            is_found = push_unsubscribe(user, subscription_id=UUID(selection))
        except ValueError:
            is_found = False
        if is_found:
            messages.success(request, "The browser receives no more push messages.")
        else:
            messages.info(request, "The browser was removed before.")
    return HttpResponseRedirect(reverse("admin:own_notifications_page"))


def _subscribe(request: HttpRequest, user: Any) -> None:
    form = BrowserForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The browser's answer is incomplete. Load the page and try again.")
        return
    label = device_name(request.headers.get("User-Agent"))
    try:
        push_subscribe(user, label=label, **form.cleaned_data)
    except (ApplicationError, ValidationError) as error:
        for text in error_messages(error):
            messages.error(request, text)
    else:
        messages.success(request, "This browser receives push messages from now on.")
