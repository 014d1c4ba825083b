"""The plan of a facility: upload, calibrate and remove it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.organizations.api.floor_plan_pictures import picture_response
from apps.organizations.models import Facility, FloorPlan
from apps.organizations.services.floor_plans import (
    floor_plan_calibrate,
    floor_plan_remove,
    floor_plan_store,
    plan_picture,
    too_large_message,
)
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.uploads import is_upload_too_large
from urfmp.pages.views.floor_map.maps import TITLE
from urfmp.pages.views.rendering import render_page, require_permission

_CHANGE = "organizations.change_facility"
_POINT_FIELDS = {
    "x_px": "Pixels from the left",
    "y_px": "Pixels from the top",
    "x_m": "X (m)",
    "y_m": "Y (m)",
}


class UploadForm(forms.Form):
    """A plan."""

    file = forms.FileField(
        label="Plan",
        widget=forms.FileInput(attrs={"class": "u-input", "accept": ".png,.jpg,.jpeg,.svg,.pdf"}),
        help_text="PNG, JPEG or SVG, or a PDF, whose first page is used; at most 10 MB.",
    )


def _number_field(label: str) -> forms.FloatField:
    attributes = {"class": "u-input", "step": "any", "inputmode": "decimal"}
    return forms.FloatField(label=label, widget=forms.NumberInput(attrs=attributes))


class CalibrationForm(forms.Form):
    """Two points, each with its place in the picture and its coordinates."""

    digest = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add the four fields of each point."""
        super().__init__(*args, **kwargs)
        for number in (1, 2):
            for field, label in _POINT_FIELDS.items():
                self.fields[f"{field}_{number}"] = _number_field(label)

    def points(self) -> list[dict[str, float]]:
        """Return the points of a valid form."""
        return [
            {name: self.cleaned_data[f"{name}_{number}"] for name in _POINT_FIELDS}
            for number in (1, 2)
        ]

    def rows(self) -> list[tuple[int, list[Any]]]:
        """Return the fields of each point."""
        return [(n, [self[f"{name}_{n}"] for name in _POINT_FIELDS]) for n in (1, 2)]


def floor_plan_page(request: HttpRequest, facility_id: UUID) -> HttpResponse:
    """Upload, calibrate or remove the plan of a facility."""
    require_permission(request, _CHANGE)
    user: Any = request.user
    facility: Facility = get_object_or_404(
        Facility.objects.restrict(user, "change"), pk=facility_id
    )
    plans = FloorPlan.objects.restrict(user, "change").without_picture()
    plan: FloorPlan | None = plans.filter(facility=facility).first()
    action = request.POST.get("action", "") if request.method == "POST" else ""
    upload = UploadForm(label_suffix="")
    calibration = _calibration_form(plan)
    if action == "upload" or (request.method == "POST" and is_upload_too_large(request)):
        upload = UploadForm(request.POST, request.FILES, label_suffix="")
        if "file" not in request.FILES and is_upload_too_large(request):
            upload.add_error("file", too_large_message())
        elif upload.is_valid() and _upload(request, facility, upload):
            return HttpResponseRedirect(request.path)
    elif action == "calibrate" and plan is not None:
        calibration = CalibrationForm(request.POST, label_suffix="")
        if calibration.is_valid() and _calibrate(request, plan, calibration):
            return HttpResponseRedirect(reverse("admin:floor_map_page", args=[facility.pk]))
    elif action == "remove" and plan is not None:
        floor_plan_remove(plan)
        messages.success(request, f"The plan of {facility.name} was removed.")
        return HttpResponseRedirect(request.path)
    response = render_page(
        request,
        "pages/floor_map/plan.html",
        "Plan",
        trail=[
            (TITLE, reverse("admin:floor_maps_page")),
            (facility.name, reverse("admin:floor_map_page", args=[facility.pk])),
        ],
        facility=facility,
        plan=plan,
        upload=upload,
        calibration=calibration,
        solved=plan.solved_calibration if plan else None,
    )
    has_errors = bool(upload.errors or (calibration is not None and calibration.errors))
    response.status_code = 400 if has_errors else 200
    return response


def _calibration_form(plan: FloorPlan | None) -> CalibrationForm | None:
    if plan is None:
        return None
    initial: dict[str, Any] = {"digest": plan.digest}
    for number, point in enumerate((plan.calibration or {}).get("points", ()), start=1):
        initial |= {f"{name}_{number}": point[name] for name in _POINT_FIELDS}
    return CalibrationForm(initial=initial, label_suffix="")


def _upload(request: HttpRequest, facility: Facility, form: UploadForm) -> bool:
    file = form.cleaned_data["file"]
    try:
        picture = plan_picture(file.read())
        floor_plan_store(facility, file_name=file.name, picture=picture)
    except ValidationError as error:
        form.add_error("file", error.messages)
        return False
    except ApplicationError as error:
        form.add_error("file", error.message)
        return False
    messages.success(request, "The plan was uploaded. Now set its scale and origin.")
    if picture.omitted:
        names = ", ".join(picture.omitted[:10])
        messages.warning(request, f"These elements of the SVG were left out: {names}.")
    return True


def _calibrate(request: HttpRequest, plan: FloorPlan, form: CalibrationForm) -> bool:
    try:
        floor_plan_calibrate(plan, points=form.points(), digest=form.cleaned_data["digest"])
    except ValidationError as error:
        form.add_error(None, error_messages(error))
        return False
    messages.success(request, "Scale and origin were saved.")
    return True


def floor_plan_picture(request: HttpRequest, facility_id: UUID) -> HttpResponse:
    """Return the picture of a plan, or 304."""
    require_permission(request, "organizations.view_facility")
    plans = FloorPlan.objects.restrict(request.user).filter(facility_id=facility_id)
    return picture_response(plans, request.headers.get("If-None-Match", ""))
