"""Change several robots at once, after a confirmation of each change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.organizations.models import Facility
from apps.robots.choices import Lifecycle, common_stages
from apps.robots.models import Robot
from apps.robots.protocols.fleet_files.columns import COLUMNS_BY_NAME, CellError, read_cell
from apps.robots.services.bulk_edits import (
    BULK_COLUMNS,
    MAX_ROBOTS,
    planned_changes,
    robots_edit,
    robots_edit_check,
)
from urfmp.pages.views.rendering import render_page, require_permission

_INPUT = {"class": "u-input"}
_LABELS = {"offline_after_seconds": "Offline after, seconds"}
_MAX_MESSAGES = 5


class BulkEditForm(forms.Form):
    """New values, each with a box that says whether it is changed."""

    def __init__(
        self, data: Any = None, *, facilities: list[str], stages: Sequence[Lifecycle]
    ) -> None:
        """Add two fields for each column.

        Args:
            data: Posted values, or None.
            facilities: Names of facilities to choose from.
            stages: Stages to which every selected robot may change; none leaves the column out.
        """
        super().__init__(data, label_suffix="")
        self.columns = tuple(name for name in BULK_COLUMNS if name != "lifecycle" or stages)
        self.stages = stages
        choices: dict[str, list[tuple[str, str]]] = {
            "facility": [("", "None"), *((name, name) for name in facilities)],
            "lifecycle": [(stage, str(stage.label)) for stage in stages],
        }
        for name in self.columns:
            label = _label(name)
            self.fields[f"set_{name}"] = forms.BooleanField(
                required=False, label=f"Change {label.lower()}"
            )
            widget: forms.Widget = forms.TextInput(attrs={**_INPUT, "autocomplete": "off"})
            if name in choices:
                widget = forms.Select(attrs=_INPUT, choices=choices[name])
            self.fields[name] = forms.CharField(
                required=False, max_length=255, label=label, widget=widget
            )

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the box and the field of each column."""
        return [(self[f"set_{name}"], self[name]) for name in self.columns]

    def clean(self) -> dict[str, Any]:
        """Read the changed values as cells of a file."""
        values = self.cleaned_data
        for name in self.columns:
            try:
                values[name] = read_cell(COLUMNS_BY_NAME[name], values.get(name))
            except CellError as error:
                self.add_error(name, str(error))
        if values.get("set_lifecycle") and values.get("lifecycle") not in self.stages:
            self.add_error("lifecycle", "Not every selected robot can change to this stage.")
        if not self.errors and not self.new_values():
            self.add_error(None, "Choose at least one value to change.")
        return values

    def new_values(self) -> dict[str, Any]:
        """Return the changed values by column."""
        data = self.cleaned_data
        return {name: data[name] for name in self.columns if data.get(f"set_{name}")}


def robots_edit_page(request: HttpRequest) -> HttpResponse:
    """Show the form for the selected robots, the confirmation, or the result.

    The POST field `step` is `confirm` for the confirmation, `apply` for the change.
    """
    require_permission(request, "robots.change_robot")
    address = reverse("admin:robots_robot_changelist")
    robots = _selected(request)
    if len(robots) > MAX_ROBOTS:
        messages.warning(request, f"Select at most {MAX_ROBOTS} robots.")
        return HttpResponseRedirect(address)
    step = request.POST.get("step", "") if robots else ""
    user: Any = request.user
    names = Facility.objects.restrict(user).values_list("name", flat=True)
    form = BulkEditForm(
        request.POST if step else None,
        facilities=list(names),
        stages=common_stages(robot.lifecycle for robot in robots),
    )
    context: dict[str, Any] = {"robots": robots, "form": form, "address": address}
    is_valid = bool(step) and form.is_valid()
    if is_valid and step == "apply":
        return _apply(request, robots, form.new_values(), address)
    if is_valid:
        context |= _confirmation(robots, form)
    response = render_page(
        request,
        "pages/robots_edit.html",
        f"Change {len(robots)} robot{'' if len(robots) == 1 else 's'}",
        trail=[("Robots", address)],
        **context,
    )
    response.status_code = 400 if form.errors else 200
    return response


def _confirmation(robots: list[Robot], form: BulkEditForm) -> dict[str, Any]:
    """Return what changes, what is rejected and what stays as it is."""
    values = form.new_values()
    plans = [plan for plan in planned_changes(robots, values) if plan.values]
    errors = robots_edit_check([plan.robot for plan in plans], values=values)
    return {
        "plans": [
            {
                "robot": plan.robot,
                "values": [
                    (_label(name), _shown(name, old), _shown(name, new))
                    for name, old, new in plan.values
                ],
            }
            for plan in plans
            if plan.robot.pk not in errors
        ],
        "rejected": [
            (plan.robot, errors[plan.robot.pk]) for plan in plans if plan.robot.pk in errors
        ],
        "unchanged": len(robots) - len(plans),
        "kept": [(name, text) for name, text in form.data.items() if name in form.fields],
    }


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _shown(name: str, value: Any) -> Any:
    return Lifecycle(value).label if name == "lifecycle" and value else value


def _selected(request: HttpRequest) -> list[Robot]:
    keys = []
    for text in request.POST.getlist(ACTION_CHECKBOX_NAME)[: MAX_ROBOTS + 1]:
        try:
            keys.append(UUID(text))
        except ValueError:
            continue
    rows = Robot.objects.restrict(request.user, "change").filter(pk__in=keys)
    return list(rows.order_by("name", "pk"))


def _versions(request: HttpRequest) -> dict[UUID, int]:
    """Return the versions that the confirmation has shown."""
    versions = {}
    for text in request.POST.getlist("version"):
        key, _, number = text.partition(":")
        try:
            versions[UUID(key)] = int(number)
        except ValueError:
            continue
    return versions


def _apply(
    request: HttpRequest, robots: list[Robot], values: dict[str, Any], address: str
) -> HttpResponse:
    results = robots_edit(robots, versions=_versions(request), values=values)
    changed = sum(result.is_changed for result in results)
    text = f"{changed} robot{'' if changed == 1 else 's'} changed."
    messages.add_message(request, messages.SUCCESS if changed else messages.INFO, text)
    failed = [result for result in results if result.error]
    for result in failed[:_MAX_MESSAGES]:
        messages.error(request, f"{result.robot}: {result.error}")
    if len(failed) > _MAX_MESSAGES:
        messages.error(request, f"{len(failed) - _MAX_MESSAGES} more robots were not changed.")
    return HttpResponseRedirect(address)
