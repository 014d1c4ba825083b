"""Page behind the QR code of a robot's label.

A signed-in user is led to the robot's page. Others may report a problem if the label accepts work
requests. They see the robot's name and nothing else of it. The token is a query parameter, because
the log of denied requests has paths without their query.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from apps.accounts.auth.requests import request_actor
from apps.accounts.exceptions import TooManyAttemptsError
from apps.maintenance.exceptions import TooManyWorkRequestsError
from apps.maintenance.selectors.work_requests import LabelCredential, label_credential
from apps.maintenance.services.work_requests import MAX_DESCRIPTION_CHARS, work_request_create
from apps.maintenance.throttling import throttle_label_request, throttle_unknown_label
from apps.robots.models import Robot
from urfmp.common.admin import error_messages
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.pages.views.rendering import render_page

_INPUT = {"class": "u-input"}


class _UnknownLabelError(Exception):
    """The label is unknown, revoked, or that of another robot."""


class ProblemForm(forms.Form):
    """What is wrong with a robot."""

    title = forms.CharField(
        label="What is wrong?",
        max_length=200,
        help_text="A few words, such as: oil below joint 3.",
        widget=forms.TextInput(attrs={**_INPUT, "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="More about it (optional)",
        required=False,
        max_length=MAX_DESCRIPTION_CHARS,
        help_text="Since when, and how often.",
        widget=forms.Textarea(attrs={**_INPUT, "rows": 4}),
    )


class AnonymousProblemForm(ProblemForm):
    """What is wrong with a robot, from a person without a login."""

    requester_name = forms.CharField(
        label="Your name (optional)",
        required=False,
        max_length=100,
        help_text="So that the staff can ask you.",
        widget=forms.TextInput(attrs={**_INPUT, "autocomplete": "name"}),
    )


def label_url(robot: Robot, token: str | None) -> str:
    """Return the address in the QR code of a label.

    Args:
        robot: Robot that the label is attached to.
        token: Token that accepts work requests; None if the label asks for a login.
    """
    path = reverse("admin:robot_scanned_page", args=[robot.pk])
    query = f"?{urlencode({'token': token})}" if token else ""
    return f"{settings.WEB_ORIGIN}{path}{query}"


@never_cache
@csrf_protect
def robot_scanned_page(request: HttpRequest, robot_id: UUID) -> HttpResponseBase:
    """Redirect to the robot's page, or show the form of a report."""
    page = HttpResponseRedirect(reverse("admin:robot_page", args=[robot_id]))
    if request.user.is_authenticated or not request.GET.get("token"):
        return page  # which asks for a login
    actor = request_actor(request)
    try:
        with throttle_unknown_label(actor.ip_address):
            credential = _credential(request.GET["token"], robot_id)
        form = AnonymousProblemForm(
            request.POST if request.method == "POST" else None, label_suffix=""
        )
        if form.is_bound and form.is_valid():
            throttle_label_request(credential.organization_id, credential.id)
    except _UnknownLabelError:
        return page
    except TooManyAttemptsError as error:
        return _too_many(request, error)
    with tenant_transaction(credential.organization_id, actor):
        robot: Robot = Robot.objects.unscoped("the label is its credential").get(pk=robot_id)
        if form.is_bound and form.is_valid() and report_problem(robot, form):
            return HttpResponseRedirect(f"{request.get_full_path()}&sent=1")
        response = render_page(
            request,
            "pages/robot/scanned.html",
            "Report a problem",
            robot_name=robot.name,
            form=form,
            is_sent="sent" in request.GET and not form.is_bound,
            again_url=label_url(robot, request.GET["token"]),
            login_url=page.url,
        )
    response.status_code = 400 if form.is_bound else 200
    return response


def report_problem(robot: Robot, form: forms.Form, **values: object) -> bool:
    """Create the work request of a valid form; return whether it succeeded.

    Errors are added to the form.
    """
    try:
        work_request_create(robot=robot, **form.cleaned_data, **values)  # type: ignore[arg-type]
    except TooManyWorkRequestsError as error:
        form.add_error(None, error_messages(error))
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            form.add_error(name if name in form.fields else None, messages)
    return form.is_valid()


def _credential(token: str, robot_id: UUID) -> LabelCredential:
    credential = label_credential(token)
    if credential is None or credential.robot_id != robot_id:
        raise _UnknownLabelError
    return credential


def _too_many(request: HttpRequest, error: TooManyAttemptsError) -> HttpResponse:
    response = render_page(
        request, "pages/robot/scanned.html", "Report a problem", rejection=error.message
    )
    response.status_code = error.status
    response["Retry-After"] = str(error.retry_after)
    return response
