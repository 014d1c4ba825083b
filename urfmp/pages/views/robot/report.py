"""Report a problem of a robot, as an alert or work request.

Technicians may not open alerts. Their reports wait for review.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.alerts.choices.alerts import AlertOutcome, AlertSeverity, AlertSource, AlertType
from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_report
from apps.robots.models import Robot
from urfmp.pages.robot_tabs import RobotTab, tab_address
from urfmp.pages.views.rendering import render_page, require_permission
from urfmp.pages.views.robot.scanned import ProblemForm, report_problem

_INPUT = {"class": "u-input"}


class ReportForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the user has noticed."""

    severity = forms.ChoiceField(
        choices=AlertSeverity.choices,
        initial=AlertSeverity.WARNING,
        widget=forms.Select(attrs=_INPUT),
    )

    class Meta:
        model = Alert
        fields = ("title", "severity", "message")
        labels = {"title": "Problem", "message": "Description"}
        help_texts = {
            "title": "A few words. A second report with the same words counts up the open alert.",
            "message": "When and where you noticed it.",
        }
        widgets = {
            "title": forms.TextInput(attrs={**_INPUT, "autofocus": True}),
            "message": forms.Textarea(attrs={**_INPUT, "rows": 4}),
        }


def robot_report_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show the form, and report the problem."""
    is_alert = request.user.has_perm("alerts.add_alert")
    if not is_alert:
        require_permission(request, "maintenance.add_workrequest")
    robot: Robot = get_object_or_404(Robot.objects.restrict(request.user), pk=robot_id)
    return _open_alert(request, robot) if is_alert else _request_work(request, robot)


def _request_work(request: HttpRequest, robot: Robot) -> HttpResponse:
    form = ProblemForm(request.POST if request.method == "POST" else None, label_suffix="")
    if form.is_bound and form.is_valid() and report_problem(robot, form, user=request.user):
        messages.success(request, "Reported. The staff will review it.")
        return HttpResponseRedirect(reverse("admin:robot_page", args=[robot.pk]))
    return _page(request, robot, form, "Send the report")


def _open_alert(request: HttpRequest, robot: Robot) -> HttpResponse:
    form = ReportForm(request.POST if request.method == "POST" else None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        try:
            report = alert_report(
                organization_id=robot.organization_id,
                robot=robot,
                type=AlertType.SYSTEM,
                source=AlertSource.USER,
                **form.cleaned_data,
            )
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            is_new = report.outcome == AlertOutcome.OPENED
            text = "The alert was opened." if is_new else "The open alert was counted up."
            messages.success(request, text)
            return HttpResponseRedirect(reverse("admin:robot_page", args=[robot.pk]))
    return _page(request, robot, form, "Open the alert")


def _page(request: HttpRequest, robot: Robot, form: forms.BaseForm, submit: str) -> HttpResponse:
    response = render_page(
        request,
        "pages/robot/report.html",
        "Report a problem",
        trail=[
            ("Robots", reverse("admin:robots_robot_changelist")),
            (robot.name, tab_address(robot, RobotTab.OVERVIEW)),
        ],
        robot=robot,
        form=form,
        submit=submit,
    )
    response.status_code = 400 if form.is_bound else 200
    return response
