"""Move a task of the calendar to another day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.widgets import INPUT_CLASSES

from apps.maintenance.choices import MaintenanceAction, allows
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.models.schedules import DEFAULT_TIME_OF_DAY, MAX_START_YEAR, MIN_START_YEAR
from apps.maintenance.selectors.schedules import RobotZones
from apps.maintenance.services.tasks import task_update
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.rendering.formats import format_datetime
from urfmp.common.time.local import recurring_instant
from urfmp.pages.selectors.maintenance.entries import task_time, task_version
from urfmp.pages.views.maintenance.calendar import TITLE
from urfmp.pages.views.rendering import render_page, require_permission

_MAX_VERSION_CHARS = 64
_CONFLICT = (
    "This task was changed after the calendar was opened. It is now planned for {time}. "
    "Check the day below and move it again."
)


class MoveForm(forms.Form):
    """New day of a task, and the version that the page showed."""

    day = forms.DateField(
        label="New day",
        help_text="The time of day stays the same.",
        widget=forms.DateInput(
            format="%Y-%m-%d", attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}
        ),
    )
    version = forms.CharField(max_length=_MAX_VERSION_CHARS, widget=forms.HiddenInput)

    def clean_day(self) -> date:
        """Reject years without schedules.

        Raises:
            ValidationError: The year is out of range.
        """
        day: date = self.cleaned_data["day"]
        if not MIN_START_YEAR <= day.year < MAX_START_YEAR:
            msg = f"Enter a day from {MIN_START_YEAR} to {MAX_START_YEAR - 1}."
            raise forms.ValidationError(msg)
        return day


def task_move_page(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Ask for the new day of a task, and move it.

    The calendar's script posts here as well. A task that changed meanwhile is shown again with its
    current day, and status 412.
    """
    require_permission(request, "maintenance.change_maintenancetask")
    tasks = MaintenanceTask.objects.restrict(request.user, "change").select_related("robot")
    if request.method == "POST":
        # Of two moves with the same version, the second waits and is rejected.
        tasks = tasks.select_for_update(of=("self",), no_key=True)
    task: MaintenanceTask = get_object_or_404(tasks, pk=task_id)
    zone = RobotZones.of(task.organization_id).zone(task.robot)
    with timezone.override(zone):
        return _move(request, task)


def _move(request: HttpRequest, task: MaintenanceTask) -> HttpResponse:
    at = task_time(task)
    status = 200
    note = ""
    initial = {"version": task_version(task), "day": timezone.localdate(at) if at else None}
    form = MoveForm(initial=initial)
    if request.method == "POST":
        form = MoveForm(request.POST)
        status = 400
        if form.is_valid() and form.cleaned_data["version"] != task_version(task):
            form = MoveForm(initial={**initial, "day": form.cleaned_data["day"]})
            note = _CONFLICT.format(time=format_datetime(at) if at else "no day")
            status = 412
        elif form.is_valid():
            try:
                moved = task_update(task, **_changes(task, form.cleaned_data["day"]))
            except (ApplicationError, ValidationError) as error:
                form.add_error(None, error_messages(error))
                status = 409
            else:
                messages.success(
                    request, f"{moved.title} moved to {format_datetime(moved.scheduled_at)}."
                )
                return HttpResponseRedirect(_back(request))
    response = render_page(
        request,
        "pages/maintenance/move.html",
        "Move task",
        trail=[(TITLE, reverse("admin:maintenance_calendar_page"))],
        task=task,
        at=at,
        is_open=allows(MaintenanceAction.UPDATE, task.status),
        form=form,
        note=note,
        back=_back(request),
    )
    response.status_code = status
    return response.render()


def _changes(task: MaintenanceTask, day: date) -> dict[str, Any]:
    """Return the changes that plan a task on a day.

    The time of day and a separate due time stay. The clocks are those of the robot's facility.
    """
    at = task_time(task)
    clock = timezone.localtime(at).time() if at else DEFAULT_TIME_OF_DAY
    moved = recurring_instant(datetime.combine(day, clock), timezone.get_current_timezone())
    if task.due_at is None or task.due_at == task.scheduled_at:
        return {"scheduled_at": moved}
    return {"scheduled_at": moved, "due_at": task.due_at}


def _back(request: HttpRequest) -> str:
    """Return the calendar's address from which the user came."""
    calendar = reverse("admin:maintenance_calendar_page")
    address = request.POST.get("back") or request.GET.get("back") or ""
    is_own = url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    return address if is_own and address.startswith(f"{calendar}?") else calendar
