"""Import pages: upload a recording, map its columns, and follow the import."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.robots.models import Robot
from apps.telemetry.choices import ImportStatus, RecordingTimeFormat
from apps.telemetry.models import TelemetryImport
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH, MAX_UNIT_LENGTH
from apps.telemetry.protocols.recordings.detection import RecordingSample
from apps.telemetry.protocols.recordings.formats import (
    ColumnFormat,
    RecordingFormat,
    from_document,
)
from apps.telemetry.protocols.recordings.times import first_time
from apps.telemetry.selectors.retention_limit import telemetry_kept_since
from apps.telemetry.services.import_files import import_sample, too_large_message
from apps.telemetry.services.imports import (
    import_cancel,
    import_start,
    import_upload,
)
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.uploads import is_upload_too_large
from urfmp.common.time.fields import LocalDateTimeField, LocalDateTimeInput
from urfmp.common.time.zones import timezone_choices
from urfmp.pages.range_form import CUSTOM
from urfmp.pages.selectors.robots import robot_choices
from urfmp.pages.views.rendering import render_page, require_permission

_MAX_LISTED = 50
_PREVIEW_ROWS = 5
_MAX_CHART_METRICS = 8
_CHART_MARGIN = timedelta(seconds=5)
_DELIMITERS = [(",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Vertical bar")]
_DECIMALS = [(".", "Point, as in 1.5"), (",", "Comma, as in 1,5")]
_INPUT = {"class": "u-input"}


class UploadForm(forms.Form):
    """A recording and its robot."""

    robot = forms.TypedChoiceField(coerce=UUID, widget=forms.Select(attrs=_INPUT), label="Robot")
    file = forms.FileField(
        widget=forms.FileInput(
            attrs={**_INPUT, "accept": ".csv,.txt,.tsv,.gz,text/csv,application/gzip"}
        ),
        label="Recording",
        help_text="A CSV file with a time column, also compressed with gzip; at most 32 MB.",
    )

    def __init__(self, *args: Any, robots: list[tuple[UUID, str]], **kwargs: Any) -> None:
        """Set the visible robots as choices."""
        super().__init__(*args, **kwargs)
        self.fields["robot"].choices = [  # type: ignore[attr-defined]
            ("", "Choose a robot"),
            *((str(pk), name) for pk, name in robots),
        ]


class FormatForm(forms.Form):
    """Format of a recording, with the metric of each column."""

    delimiter = forms.ChoiceField(
        choices=_DELIMITERS, widget=forms.Select(attrs=_INPUT), label="Between columns"
    )
    decimal = forms.ChoiceField(
        choices=_DECIMALS, widget=forms.Select(attrs=_INPUT), label="Decimal separator"
    )
    time_column = forms.TypedChoiceField(
        coerce=int, widget=forms.Select(attrs=_INPUT), label="Time column"
    )
    time_format = forms.ChoiceField(
        choices=RecordingTimeFormat.choices,
        widget=forms.Select(attrs=_INPUT),
        label="Format of times",
    )
    timezone = forms.ChoiceField(
        choices=timezone_choices,
        widget=forms.Select(attrs=_INPUT),
        label="Timezone",
        help_text="Used for dates and times without an offset.",
    )
    starts_at = LocalDateTimeField(
        required=False,
        widget=LocalDateTimeInput(attrs={**_INPUT, "type": "datetime-local", "step": "any"}),
        label="Move the first row to",
        help_text="Leave blank to keep the times of the file.",
    )

    def __init__(self, data: Any, *, sample: RecordingSample) -> None:
        """Add two fields for each column, with the proposed format."""
        proposed = sample.proposed
        mapped = {column.index: column for column in proposed.columns}
        initial = {
            "delimiter": proposed.delimiter,
            "decimal": proposed.decimal,
            "time_column": proposed.time_column,
            "time_format": proposed.time_format,
            "timezone": proposed.timezone,
        }
        super().__init__(data, initial=initial)
        self.sample = sample
        self.fields["time_column"].choices = list(  # type: ignore[attr-defined]
            enumerate(name or f"Column {index + 1}" for index, name in enumerate(sample.header))
        )
        for index, name in enumerate(sample.header):
            column = mapped.get(index)
            for kind, length, value in (
                ("metric", MAX_METRIC_NAME_LENGTH, column.metric_name if column else ""),
                ("unit", MAX_UNIT_LENGTH, column.unit if column else ""),
            ):
                self.fields[f"{kind}_{index}"] = forms.CharField(
                    required=False,
                    max_length=length,
                    initial=value,
                    label=f"{kind.capitalize()} of {name or f'column {index + 1}'}",
                    widget=forms.TextInput(attrs={**_INPUT, "size": 30 if kind == "metric" else 8}),
                )

    def columns(self) -> Iterator[dict[str, Any]]:
        """Yield each column's name, first values, and fields."""
        for index, name in enumerate(self.sample.header):
            yield {
                "name": name or f"Column {index + 1}",
                "values": [
                    row[index] for row in self.sample.rows[:_PREVIEW_ROWS] if index < len(row)
                ],
                "metric": self[f"metric_{index}"],
                "unit": self[f"unit_{index}"],
            }

    def recording_format(self) -> RecordingFormat:
        """Return the entered format of a valid form."""
        data = self.cleaned_data
        return RecordingFormat(
            delimiter=data["delimiter"],
            decimal=data["decimal"],
            time_column=data["time_column"],
            time_format=RecordingTimeFormat(data["time_format"]),
            timezone=data["timezone"],
            starts_at=data["starts_at"],
            columns=tuple(
                ColumnFormat(index, data[f"metric_{index}"], data[f"unit_{index}"])
                for index in range(len(self.sample.header))
                if data[f"metric_{index}"] and index != data["time_column"]
            ),
        )


def telemetry_imports_page(request: HttpRequest) -> HttpResponse:
    """List the imports, and upload a recording."""
    require_permission(request, "telemetry.view_telemetryimport")
    user: Any = request.user
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES, robots=robot_choices(user))
        if "file" not in request.FILES and is_upload_too_large(request):
            form.add_error("file", too_large_message())
        elif form.is_valid() and (row := _upload(user, form)) is not None:
            return HttpResponseRedirect(reverse("admin:telemetry_import_page", args=[row.pk]))
    else:
        form = UploadForm(
            initial={"robot": request.GET.get("robot", "")}, robots=robot_choices(user)
        )
    response = render_page(
        request,
        "pages/telemetry_imports.html",
        "Imports",
        trail=_trail()[:1],
        form=form,
        imports=TelemetryImport.objects.restrict(user)
        .select_related("robot", "created_by")
        .order_by("-created_at")[:_MAX_LISTED],
    )
    response.status_code = 400 if form.errors else 200
    return response


def telemetry_import_page(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """Map the columns of a recording, or show its progress."""
    require_permission(request, "telemetry.view_telemetryimport")
    rows = TelemetryImport.objects.restrict(request.user).select_related("robot", "created_by")
    row = rows.filter(pk=import_id).first()
    if row is None:
        raise Http404
    if request.method == "POST" and "cancel" in request.POST:
        return _cancel(request, row)
    if row.status == ImportStatus.DRAFT:
        return _format_page(request, row)
    return render_page(
        request,
        "pages/telemetry_import.html",
        row.file_name,
        trail=_trail(),
        row=row,
        chart_url=_chart_url(row),
    )


def _trail() -> list[tuple[str, str]]:
    return [
        ("Telemetry", reverse("admin:telemetry_page")),
        ("Imports", reverse("admin:telemetry_imports_page")),
    ]


def _chart_url(row: TelemetryImport) -> str:
    """Return the URL of charts of the imported range; empty without points."""
    if row.first_time is None or row.last_time is None or row.format is None:
        return ""
    metrics = [column.metric_name for column in from_document(row.format).columns]
    query = {
        "robot": str(row.robot_id),
        "metrics": metrics[:_MAX_CHART_METRICS],
        "range": CUSTOM,
        "start": f"{row.first_time - _CHART_MARGIN:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{row.last_time + _CHART_MARGIN:%Y-%m-%dT%H:%M:%SZ}",
    }
    return f"{reverse('admin:telemetry_page')}?{urlencode(query, doseq=True)}"


def _upload(user: Any, form: UploadForm) -> TelemetryImport | None:
    robot = Robot.objects.restrict(user).filter(pk=form.cleaned_data["robot"]).first()
    if robot is None:
        raise Http404
    file = form.cleaned_data["file"]
    try:
        return import_upload(
            organization_id=user.organization_id,
            robot=robot,
            created_by=user,
            file_name=file.name,
            parts=file.chunks(),
        )
    except ApplicationError as error:
        form.add_error("file", error.message)
        return None


def _format_page(request: HttpRequest, row: TelemetryImport) -> HttpResponse:
    """Show the form of the format, or start the import."""
    is_start = request.method == "POST" and "start" in request.POST
    delimiter = (request.POST if is_start else request.GET).get("delimiter", "")
    try:
        sample = import_sample(
            row,
            timezone=timezone.get_current_timezone_name(),
            delimiter=delimiter if delimiter in dict(_DELIMITERS) else "",
        )
        form = FormatForm(request.POST if is_start else None, sample=sample)
        if is_start and form.is_valid():
            import_start(row, recording_format=form.recording_format())
            messages.success(request, f"The import of {row.file_name} has started.")
            return HttpResponseRedirect(request.path)
    except ValidationError as error:
        for message in error.messages:
            form.add_error(None, message)
    except ApplicationError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(reverse("admin:telemetry_imports_page"))
    response = render_page(
        request,
        "pages/telemetry_import_format.html",
        row.file_name,
        trail=_trail(),
        row=row,
        form=form,
        delimiters=_DELIMITERS,
        **_time_check(sample, row.organization_id),
    )
    response.status_code = 400 if form.errors else 200
    return response


def _time_check(sample: RecordingSample, organization_id: UUID) -> dict[str, datetime | None]:
    """Return the first time, and the oldest kept if later."""
    texts = [row[sample.proposed.time_column] for row in sample.rows if row]
    first = first_time(
        texts,
        sample.proposed.time_format,
        timezone=ZoneInfo(sample.proposed.timezone),
        decimal=sample.proposed.decimal,
    )
    kept_since = telemetry_kept_since(organization_id, timezone.now())
    return {
        "first_time": first,
        "kept_since": kept_since if first is not None and first < kept_since else None,
    }


def _cancel(request: HttpRequest, row: TelemetryImport) -> HttpResponse:
    try:
        import_cancel(row)
        messages.success(request, f"The import of {row.file_name} was cancelled.")
    except ApplicationError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(reverse("admin:telemetry_imports_page"))
