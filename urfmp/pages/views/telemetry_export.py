"""Telemetry as a file: which robots, which metrics, from when to when, in which form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.utils import timezone

from apps.robots.models import Robot
from apps.telemetry.services.export import ExportQuery, telemetry_export
from apps.telemetry.services.export_formats import FORMATS
from urfmp.common.db.fields import validate_moment
from urfmp.common.export_slots import AT_ONCE, TooManyExportsError
from urfmp.pages.selectors import robot_choices
from urfmp.pages.views.rendering import page, require

_LABELS = {
    "csv": "CSV, for spreadsheets",
    "csv.gz": "CSV, packed with gzip",
    "parquet": "Parquet, for analysis",
}
_MAX_NAMES = 100


class ExportForm(forms.Form):
    """What to download. The times are in the organization's timezone."""

    robots = forms.TypedMultipleChoiceField(required=False, coerce=UUID, empty_value=[])
    metrics = forms.CharField(required=False, max_length=4000)
    start = forms.DateTimeField(validators=[validate_moment])
    end = forms.DateTimeField(validators=[validate_moment])
    format = forms.ChoiceField(choices=[(name, _LABELS[name]) for name in FORMATS])

    def __init__(self, data: Any, robots: list[tuple[UUID, str]], **kwargs: Any) -> None:
        """Offer the robots that may be seen."""
        super().__init__(data, **kwargs)
        self.fields["robots"].choices = [(str(pk), name) for pk, name in robots]  # type: ignore[attr-defined]

    def clean_metrics(self) -> tuple[str, ...] | None:
        """Take names as people write them: parted by commas, spaces or lines."""
        names = tuple(dict.fromkeys(self.cleaned_data["metrics"].replace(",", " ").split()))
        if len(names) > _MAX_NAMES:
            msg = f"Name at most {_MAX_NAMES} metrics, or none for all."
            raise forms.ValidationError(msg)
        return names or None

    def clean(self) -> dict[str, Any]:
        """Check that the range is one."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = values.get("start"), values.get("end")
        if start and end and start >= end:
            self.add_error("end", "The end lies after the start.")
        return values


def telemetry_export_page(request: HttpRequest) -> HttpResponseBase:
    """Show the form; once it is filled in rightly, send the file."""
    person: Any = request.user
    require(request, "telemetry.export_robottelemetry")
    require(request, "robots.view_robot")
    robots = robot_choices(person)
    form = ExportForm(request.GET if "format" in request.GET else None, robots)
    refusal, status = "", 200
    if form.is_bound:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])  # only a reader makes it an export
        status = 400
        if form.is_valid():
            try:
                return telemetry_export(
                    _query(person, form.cleaned_data),
                    organization_id=person.organization_id,
                )
            except TooManyExportsError as error:
                refusal, status = error.message, int(error.status)
    now = timezone.localtime().replace(second=0, microsecond=0)
    response = page(
        request,
        "pages/telemetry_export.html",
        "Download telemetry",
        form=form,
        refusal=refusal,
        at_once=AT_ONCE,
        formats=[(name, _LABELS[name]) for name in FORMATS],
        robots=robots,
        chosen={
            "robots": request.GET.getlist("robots"),
            "metrics": request.GET.get("metrics", ""),
            "start": request.GET.get("start") or f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}",
            "end": request.GET.get("end") or f"{now:%Y-%m-%dT%H:%M}",
            "format": request.GET.get("format", "csv"),
        },
    )
    response.status_code = status
    if refusal:
        response["Retry-After"] = str(TooManyExportsError.retry_after)
    return response


def _query(person: Any, values: dict[str, Any]) -> ExportQuery:
    visible = Robot.objects.restrict(person).order_by("pk")
    named = values["robots"]
    if named:
        visible = visible.filter(pk__in=named)
    return ExportQuery(
        robot_ids=tuple(visible.values_list("pk", flat=True)),
        metrics=values["metrics"],
        start=values["start"],
        end=values["end"],
        format=values["format"],
        is_whole_fleet=not named,
    )
