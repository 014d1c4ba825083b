"""Maintenance schedules in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.maintenance.choices import Frequency, Weekday
from apps.maintenance.models import MaintenanceSchedule
from apps.maintenance.selectors.schedules import schedule_preview
from apps.maintenance.services.schedules import schedule_create, schedule_delete, schedule_update
from apps.robots.choices import vendor_label
from urfmp.common.admin import (
    AutocompleteFilter,
    OrganizationScopedAdmin,
    ScopedModelForm,
    request_user,
)
from urfmp.common.rendering.formats import NOTHING, format_number
from urfmp.common.rendering.html import datetime_html


class ScheduleForm(ScopedModelForm):
    """A schedule: its work, its robots, its calendar and its running hours."""

    weekdays = forms.MultipleChoiceField(
        choices=Weekday.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="For weeks only. Leave blank for the weekday of the first day.",
    )

    class Meta:
        model = MaintenanceSchedule
        fields = (
            "title", "type", "priority", "description", "assigned_to", "estimated_duration",
            "template", "robot", "vendor", "model", "interval", "frequency", "weekdays",
            "month_day", "starts_on", "time_of_day", "calendar_anchor", "running_hours",
            "running_hours_anchor", "lead_days", "is_active",
        )  # fmt: skip
        labels: ClassVar[dict[str, str]] = {"interval": "Every", "frequency": "Unit"}
        help_texts: ClassVar[dict[str, str]] = {
            "frequency": "Leave blank if only running hours count.",
        }

    def clean(self) -> dict[str, Any]:
        """Ignore the first day without a calendar, as the service does."""
        values = super().clean()
        if not values.get("frequency") and "starts_on" in values:
            values["starts_on"] = None
        return values


@admin.register(MaintenanceSchedule)
class MaintenanceScheduleAdmin(OrganizationScopedAdmin[MaintenanceSchedule]):
    audit_resource = "maintenance_schedule"
    empty_text = "Plans that open maintenance tasks by the calendar or running hours appear here."
    form = ScheduleForm
    list_display = ("title", "target", "calendar", "hours", "assigned_to", "is_active")
    list_filter = ("is_active", "type", ("robot", AutocompleteFilter))
    list_select_related = ("robot", "assigned_to")
    search_fields = ("title", "robot__name", "vendor", "model")
    search_help_text = "Search by title, robot or model"
    autocomplete_fields = ("robot", "template")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title", ("type", "priority"), "description",
                    ("assigned_to", "estimated_duration"), "template",
                    ("lead_days", "is_active"),
                )
            },
        ),
        ("Robots", {"fields": ("robot", ("vendor", "model"))}),
        (
            "Calendar",
            {
                "fields": (
                    ("interval", "frequency"), "weekdays", "month_day",
                    ("starts_on", "time_of_day"), "calendar_anchor", "next_dates",
                )
            },
        ),
        ("Running hours", {"fields": ("running_hours", "running_hours_anchor")}),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Users who may not list users cannot select one, but see the assigned user's name.
        hidden = () if request.user.has_perm("accounts.view_user") else ("assigned_to",)
        return ("next_dates", *hidden)

    @admin.display(description="Robots")
    def target(self, schedule: MaintenanceSchedule) -> str:
        if schedule.robot is not None:
            return str(schedule.robot)
        return f"All {vendor_label(schedule.vendor)} {schedule.model}"

    @admin.display(description="Calendar")
    def calendar(self, schedule: MaintenanceSchedule) -> str:
        if not schedule.frequency:
            return NOTHING
        unit = Frequency(schedule.frequency).label.lower()
        if schedule.interval == 1:
            return f"Every {unit.removesuffix('s')}"
        return f"Every {format_number(schedule.interval)} {unit}"

    @admin.display(description="Running hours", ordering="running_hours")
    def hours(self, schedule: MaintenanceSchedule) -> str:
        if schedule.running_hours is None:
            return NOTHING
        return f"Every {format_number(schedule.running_hours)} h"

    @admin.display(description="Next dates")
    def next_dates(self, schedule: MaintenanceSchedule) -> SafeString | str:
        if not schedule.title:  # the form of a new schedule
            return "The next five dates appear after saving."
        dates = schedule_preview(schedule, timezone.now())
        rows = ((datetime_html(due),) for due in dates)
        return format_html_join("", "<div>{}</div>", rows) or NOTHING

    def perform_create(self, request: HttpRequest, form: Any) -> MaintenanceSchedule:
        return schedule_create(
            organization_id=request_user(request).organization_id,
            created_by=request_user(request),
            **form.service_kwargs(),
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> MaintenanceSchedule:
        return schedule_update(obj, **form.service_kwargs())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        schedule_delete(obj)
