"""Telemetry export page: choose robots, metrics, range and format, then download."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.urls import reverse
from django.utils import timezone

from apps.robots.models import Robot
from apps.telemetry.api.export import export_response
from apps.telemetry.services.export import ExportQuery
from apps.telemetry.services.export_formats import EXPORT_FORMATS
from urfmp.common.export_slots import MAX_CONCURRENT_PER_ORGANIZATION, TooManyExportsError
from urfmp.common.time.fields import LocalDateTimeField
from urfmp.pages.range_form import LocalRangeForm
from urfmp.pages.selectors.robots import robot_choices
from urfmp.pages.views.rendering import render_page, require_permission

_FORMAT_LABELS = {
    "csv": "CSV, for spreadsheets",
    "csv.gz": "CSV, compressed with gzip",
    "parquet": "Parquet, for analysis",
}
_MAX_METRICS = 100


class LinkedRangeForm(LocalRangeForm):
    """The range of a link to this page; bounds are optional."""

    start = LocalDateTimeField(required=False)
    end = LocalDateTimeField(required=False, is_end=True)


class ExportForm(LocalRangeForm):
    """Parameters of an export. Times are in the user's timezone."""

    robots = forms.TypedMultipleChoiceField(required=False, coerce=UUID, empty_value=[])
    metrics = forms.CharField(required=False, max_length=4000)
    format = forms.ChoiceField(choices=[(name, _FORMAT_LABELS[name]) for name in EXPORT_FORMATS])

    def __init__(self, data: Any, robots: list[tuple[UUID, str]], **kwargs: Any) -> None:
        """Set the visible robots as choices."""
        super().__init__(data, **kwargs)
        self.fields["robots"].choices = [(str(pk), name) for pk, name in robots]  # type: ignore[attr-defined]

    def clean_metrics(self) -> tuple[str, ...] | None:
        """Split metric names at commas, spaces and line breaks."""
        names = tuple(dict.fromkeys(self.cleaned_data["metrics"].replace(",", " ").split()))
        if len(names) > _MAX_METRICS:
            msg = f"Enter at most {_MAX_METRICS} metrics, or leave blank for all."
            raise forms.ValidationError(msg)
        return names or None

    def clean(self) -> dict[str, Any]:
        """Validate that the start is before the end."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = values.get("start"), values.get("end")
        if start and end and start >= end:
            self.add_error("end", "The end must be after the start.")
        return values


def telemetry_export_page(request: HttpRequest) -> HttpResponseBase:
    """Show the form, or stream the file once the form is valid."""
    user: Any = request.user
    require_permission(request, "telemetry.export_robottelemetry")
    require_permission(request, "robots.view_robot")
    robots = robot_choices(user)
    form = ExportForm(request.GET if "format" in request.GET else None, robots)
    export_error, status = "", 200
    if form.is_bound:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])  # an export only reads
        status = 400
        if form.is_valid():
            try:
                return export_response(
                    _export_query(user, form.cleaned_data),
                    organization_id=user.organization_id,
                )
            except TooManyExportsError as error:
                export_error, status = error.message, int(error.status)
    now = timezone.now().replace(second=0, microsecond=0)
    response = render_page(
        request,
        "pages/telemetry_export.html",
        "Download",
        trail=[("Telemetry", reverse("admin:telemetry_page"))],
        form=form,
        export_error=export_error,
        max_exports=MAX_CONCURRENT_PER_ORGANIZATION,
        range_inputs=(form if form.is_bound else LinkedRangeForm(request.GET)).inputs(
            {"start": now - timedelta(days=1), "end": now}
        ),
        formats=[(name, _FORMAT_LABELS[name]) for name in EXPORT_FORMATS],
        robots=robots,
        selected={
            "robots": request.GET.getlist("robots"),
            "metrics": request.GET.get("metrics", ""),
            "format": request.GET.get("format", "csv"),
        },
    )
    response.status_code = status
    if export_error:
        response["Retry-After"] = str(TooManyExportsError.retry_after)
    return response


def _export_query(user: Any, values: dict[str, Any]) -> ExportQuery:
    visible = Robot.objects.restrict(user).order_by("pk")
    selected = values["robots"]
    if selected:
        visible = visible.filter(pk__in=selected)
    return ExportQuery(
        robot_ids=tuple(visible.values_list("pk", flat=True)),
        metrics=values["metrics"],
        start=values["start"],
        end=values["end"],
        format=values["format"],
        is_whole_fleet=not selected,
        has_byte_order_mark=True,
    )
