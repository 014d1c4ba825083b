"""Correction page: delete the points of a series in a range."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.robots.models import Robot
from apps.telemetry.exceptions import PointsChangedError
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH, metric_name_error
from apps.telemetry.selectors import metric_names
from apps.telemetry.selectors.corrections import PointsSummary
from apps.telemetry.services.corrections import (
    MAX_DELETED_POINTS,
    MAX_REASON_LENGTH,
    points_delete,
    points_delete_preview,
)
from urfmp.common.exceptions import ApplicationError
from urfmp.common.rendering.formats import format_number
from urfmp.common.security.recent_auth import require_recent_user_auth
from urfmp.pages.range_form import CUSTOM, LocalRangeForm
from urfmp.pages.selectors.robots import robot_choices
from urfmp.pages.views.rendering import render_page, require_permission

_CHART_MARGIN = timedelta(minutes=1)


class CorrectionForm(LocalRangeForm):
    """A range of a series. Times are in the user's timezone."""

    robot = forms.TypedChoiceField(coerce=UUID)
    metric = forms.CharField(max_length=MAX_METRIC_NAME_LENGTH)

    def __init__(self, data: Any, robots: list[tuple[UUID, str]]) -> None:
        """Set the visible robots as choices."""
        super().__init__(data)
        self.fields["robot"].choices = [(str(pk), name) for pk, name in robots]  # type: ignore[attr-defined]

    def clean_metric(self) -> str:
        """Validate the metric's name."""
        name: str = self.cleaned_data["metric"]
        if error := metric_name_error(name):
            raise forms.ValidationError(error[1])
        return name

    def clean(self) -> dict[str, Any]:
        """Validate that the start is before the end."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = values.get("start"), values.get("end")
        if start and end and start >= end:
            self.add_error("end", "The end must be after the start.")
        return values


class ConfirmationForm(forms.Form):
    """Reason, and the number of points that the preview showed."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.TextInput(attrs={"class": "u-input", "autofocus": True}),
        error_messages={"required": "Enter a reason. It is recorded in the audit log."},
    )
    expected_points = forms.IntegerField(min_value=0)


def telemetry_correction_page(request: HttpRequest) -> HttpResponse:
    """Show the form, the preview of a range, or delete its points.

    Deleting needs a password entered in the last 15 minutes.
    """
    require_permission(request, "telemetry.correct_robottelemetry")
    require_permission(request, "robots.view_robot")
    robots = robot_choices(request.user)
    is_delete = request.method == "POST"
    if is_delete:
        require_recent_user_auth(request)
    data = request.POST if is_delete else request.GET
    form = CorrectionForm(data if "check" in data else None, robots)
    if not form.is_valid():
        return _form_page(request, form, robots)
    robot = _requested_robot(request, form)
    confirmation = ConfirmationForm(request.POST if is_delete else None)
    try:
        if is_delete and confirmation.is_valid():
            try:
                return _delete(request, robot, form, confirmation)
            except PointsChangedError as error:
                confirmation.add_error(None, error.message)
        preview = points_delete_preview(robot, **_range_of(form))
    except ApplicationError as error:
        form.add_error(None, error.message)
        return _form_page(request, form, robots)
    return _preview_page(request, robot, form, confirmation, preview)


def _range_of(form: CorrectionForm) -> dict[str, Any]:
    values = form.cleaned_data
    return {"metric_name": values["metric"], "start": values["start"], "end": values["end"]}


def _requested_robot(request: HttpRequest, form: CorrectionForm) -> Robot:
    rows = Robot.objects.restrict(request.user)
    robot: Robot | None = rows.filter(pk=form.cleaned_data["robot"]).first()
    if robot is None:
        raise Http404
    return robot


def _delete(
    request: HttpRequest, robot: Robot, form: CorrectionForm, confirmation: ConfirmationForm
) -> HttpResponse:
    deleted = points_delete(robot, **_range_of(form), **confirmation.cleaned_data)
    noun = "point" if deleted.points == 1 else "points"
    messages.success(
        request,
        f"{format_number(deleted.points)} {noun} of {form.cleaned_data['metric']} of {robot.name} "
        f"{'was' if deleted.points == 1 else 'were'} deleted.",
    )
    return HttpResponseRedirect(_chart_url(form))


def _chart_url(form: CorrectionForm) -> str:
    values = form.cleaned_data
    query = {
        "robot": str(values["robot"]),
        "metrics": values["metric"],
        "range": CUSTOM,
        "start": (values["start"] - _CHART_MARGIN).isoformat(),
        "end": (values["end"] + _CHART_MARGIN).isoformat(),
    }
    return f"{reverse('admin:telemetry_page')}?{urlencode(query)}"


def _form_page(
    request: HttpRequest, form: CorrectionForm, robots: list[tuple[UUID, str]]
) -> HttpResponse:
    data = request.POST if request.method == "POST" else request.GET
    selected = data.get("robot", "")
    robot_id = next((pk for pk, _ in robots if str(pk) == selected), None)
    now = timezone.now().replace(second=0, microsecond=0)
    shown = form if form.is_bound else CorrectionForm(data, robots)
    range_inputs = shown.inputs({"start": now - timedelta(hours=1), "end": now})
    if not form.is_bound:  # a link's values, which are not validated before they are submitted
        range_inputs = [{**item, "errors": []} for item in range_inputs]
    response = render_page(
        request,
        "pages/telemetry_correction.html",
        "Delete wrong values",
        form=form,
        robots=robots,
        selected=selected,
        metric=data.get("metric", ""),
        metrics=[] if robot_id is None else metric_names(robot_id),
        range_inputs=range_inputs,
        max_points=MAX_DELETED_POINTS,
    )
    response.status_code = 400 if form.errors else 200
    return response


def _preview_page(
    request: HttpRequest,
    robot: Robot,
    form: CorrectionForm,
    confirmation: ConfirmationForm,
    preview: PointsSummary,
) -> HttpResponse:
    values = form.cleaned_data
    kept = {
        "robot": str(robot.pk),
        "metric": values["metric"],
        "start": values["start"].isoformat(),
        "end": values["end"].isoformat(),
    }
    response = render_page(
        request,
        "pages/telemetry_correction_preview.html",
        "Delete wrong values",
        robot=robot,
        metric=values["metric"],
        start=values["start"],
        end=values["end"],
        preview=preview,
        form=confirmation,
        kept={**kept, "check": "1", "expected_points": str(preview.points)},
        back_url=f"{request.path}?{urlencode(kept)}",
        chart_url=_chart_url(form),
    )
    response.status_code = 400 if confirmation.errors else 200
    return response
