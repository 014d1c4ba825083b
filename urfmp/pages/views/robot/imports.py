"""Pages of imports of robots: upload, check, start and follow."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.robots.choices import ENDED_ROBOT_IMPORTS, RobotImportStatus, RowOutcome
from apps.robots.models import RobotImport
from apps.robots.protocols.fleet_files.columns import COLUMNS, MAX_ROWS
from apps.robots.protocols.fleet_files.readers import (
    MAX_FILE_BYTES,
    read_fleet_file,
    too_large_message,
)
from apps.robots.protocols.fleet_files.writers import csv_cell
from apps.robots.selectors.imports import bad_rows, import_counts, import_errors
from apps.robots.services.imports.control import (
    robot_import_cancel,
    robot_import_create,
    robot_import_start,
)
from urfmp.common.admin import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.uploads import is_upload_too_large
from urfmp.pages.views.rendering import render_page, require_permission

_MAX_LISTED = 50
_MAX_SHOWN_ERRORS = 100
_INPUT = {"class": "u-input"}


class UploadForm(forms.Form):
    """A file of robots."""

    file = forms.FileField(
        widget=forms.FileInput(attrs={**_INPUT, "accept": ".csv,.txt,.tsv,.xlsx,.json"}),
        label="File",
        help_text=f"CSV, XLSX or JSON; at most {MAX_ROWS:,} robots and"
        f" {MAX_FILE_BYTES // 1024**2} MB.",
    )


def robot_imports_page(request: HttpRequest) -> HttpResponse:
    """List the imports of robots, and upload a file."""
    require_permission(request, "robots.add_robotimport")
    user: Any = request.user
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        if "file" not in request.FILES and is_upload_too_large(request):
            form.add_error("file", too_large_message())
        elif form.is_valid() and (row := _upload(user, form)) is not None:
            return HttpResponseRedirect(reverse("admin:robot_import_page", args=[row.pk]))
    response = render_page(
        request,
        "pages/robot_imports.html",
        "Import robots",
        trail=_trail()[:1],
        form=form,
        columns=COLUMNS,
        imports=RobotImport.objects.restrict(user)
        .select_related("created_by", "created_by_key")
        .order_by("-created_at")[:_MAX_LISTED],
    )
    response.status_code = 400 if form.errors else 200
    return response


def robot_import_page(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """Show, start or cancel an import, or send its errors."""
    require_permission(request, "robots.add_robotimport")
    rows = RobotImport.objects.restrict(request.user).select_related("created_by", "created_by_key")
    row: RobotImport | None = rows.filter(pk=import_id).first()
    if row is None:
        raise Http404
    if request.method == "POST":
        return _act(request, row)
    if request.GET.get("errors") == "csv":
        return _errors_file(row)
    counts = import_counts(row)
    return render_page(
        request,
        "pages/robot_import.html",
        row.file_name,
        trail=_trail(),
        row=row,
        counts=counts,
        is_done=row.status in ENDED_ROBOT_IMPORTS,
        is_checked=row.status == RobotImportStatus.CHECKED,
        changes=counts[RowOutcome.CREATE] + counts[RowOutcome.UPDATE],
        errors=import_errors(row, limit=_MAX_SHOWN_ERRORS),
    )


def _trail() -> list[tuple[str, str]]:
    return [
        ("Robots", reverse("admin:robots_robot_changelist")),
        ("Import robots", reverse("admin:robot_imports_page")),
    ]


def _upload(user: Any, form: UploadForm) -> RobotImport | None:
    file = form.cleaned_data["file"]
    try:
        if file.size > MAX_FILE_BYTES:
            form.add_error("file", too_large_message())
            return None
        return robot_import_create(
            organization_id=user.organization_id,
            rows=read_fleet_file(file.read()),
            file_name=file.name,
            created_by=user,
        )
    except ApplicationError as error:
        form.add_error("file", error.message)
        return None


def _act(request: HttpRequest, row: RobotImport) -> HttpResponse:
    try:
        if "cancel" in request.POST:
            robot_import_cancel(row)
            messages.success(request, f"The import of {row.file_name} was cancelled.")
        else:
            robot_import_start(row, mode=request.POST.get("mode", ""))
            messages.success(request, f"The import of {row.file_name} has started.")
    except (ApplicationError, ValidationError) as error:
        for message in error_messages(error):
            messages.error(request, message)
    return HttpResponseRedirect(request.path)


def _errors_file(row: RobotImport) -> HttpResponse:
    """Send all errors of an import as CSV."""
    text = io.StringIO()
    text.write("\ufeff")  # for Excel
    writer = csv.writer(text)
    writer.writerow(["line", "column", "reason", "serial_number", "name"])
    for bad_row in bad_rows(row):
        for column, reason in bad_row.errors.items():
            named = [bad_row.values.get(name) for name in ("serial_number", "name")]
            writer.writerow([bad_row.line, column, csv_cell(reason), *map(csv_cell, named)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="import_errors.csv"'
    return response
