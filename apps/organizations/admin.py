from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from apps.accounts.plan_limits import Usage, usage_of
from apps.organizations.forms import OrganizationForm, timezone_choices
from apps.organizations.models import Facility, Organization
from apps.organizations.services import (
    facility_create,
    facility_delete,
    facility_update,
    organization_update,
)
from apps.organizations.settings_schema import LOCALES, SETTINGS, WEEKDAYS
from urfmp.common.admin import OrganizationScopedAdmin, ScopedModelForm, viewer
from urfmp.common.html import NOTHING, moment


def _usage_parts(usage: Usage) -> tuple[SafeString, str]:
    if usage.limit is None:
        return SafeString(""), str(usage)
    bar = format_html(
        '<progress class="u-bar" value="{}" max="{}" data-full="{}" aria-label="{}"></progress>',
        min(usage.used, usage.limit),
        max(usage.limit, 1),
        "yes" if usage.used >= usage.limit else "no",
        usage,
    )
    return bar, str(usage)


@admin.register(Organization)
class OrganizationAdmin(OrganizationScopedAdmin[Organization]):
    audit_resource = "organization"
    form = OrganizationForm
    list_display = ("name", "slug", "plan", "timezone", "is_active")
    fieldsets = (
        (None, {"fields": ("name", "description", ("timezone", "locale"))}),
        (
            "Rules",
            {
                "fields": (
                    "second_factor_required",
                    ("telemetry_retention_days", "status_history_retention_days"),
                )
            },
        ),
        (
            "Working hours",
            {
                "fields": WEEKDAYS,
                "description": "In the organization's timezone. An end that is not after the start"
                " is on the next day; from 00:00 to 00:00 is the whole day.",
            },
        ),
        ("Account", {"fields": (("slug", "plan"), "usage", ("is_active", "created"))}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="Since")
    def created(self, organization: Organization) -> Any:
        return moment(organization.created_at)

    @admin.display(description="In use")
    def usage(self, organization: Organization) -> SafeString:
        return format_html(
            '<ul class="u-usage">{}</ul>',
            format_html_join("", "<li>{}{}</li>", map(_usage_parts, usage_of(organization))),
        )

    @admin.display(description="Numbers and dates")
    def locale(self, organization: Organization) -> str:
        return LOCALES[organization.effective_settings.locale]

    @admin.display(description="Second factor required", boolean=True)
    def second_factor_required(self, organization: Organization) -> bool:
        return organization.effective_settings.second_factor_required

    @admin.display(description="Keep telemetry, days")
    def telemetry_retention_days(self, organization: Organization) -> int:
        return organization.effective_settings.telemetry_retention_days

    @admin.display(description="Keep status history, days")
    def status_history_retention_days(self, organization: Organization) -> int:
        return organization.effective_settings.status_history_retention_days

    @admin.display(description="Working hours")
    def working_hours(self, organization: Organization) -> str:
        hours = organization.effective_settings.working_hours
        days = (day for day in WEEKDAYS if day in hours)
        return (
            ", ".join(
                f"{day[:3].title()} {hours[day].start:%H:%M}-{hours[day].end:%H:%M}" for day in days
            )
            or NOTHING
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return (
            (
                None,
                {"fields": ("name", "description", "slug", "plan", "usage", *SETTINGS, "created")},
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("slug", "plan", "usage", "is_active", "created")
        return shown if self.has_change_permission(request, obj) else (*shown, *SETTINGS)

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Organization:
        return organization_update(obj, **form.changes())


class FacilityForm(ScopedModelForm):
    """A facility: its name, its timezone and the size of its floor."""

    timezone = forms.ChoiceField(
        choices=lambda: [("", "As the organization"), *timezone_choices()],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = Facility
        fields = ("name", "timezone", "floor_plan")


@admin.register(Facility)
class FacilityAdmin(OrganizationScopedAdmin[Facility]):
    audit_resource = "facility"
    form = FacilityForm
    list_display = ("name", "shown_timezone")
    search_fields = ("name",)
    fields = ("name", "timezone", "floor_plan")

    @admin.display(description="Timezone", ordering="timezone")
    def shown_timezone(self, facility: Facility) -> str:
        return facility.timezone or "as the organization"

    def perform_create(self, request: HttpRequest, form: Any) -> Facility:
        return facility_create(organization_id=viewer(request).organization_id, **form.changes())

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Facility:
        return facility_update(obj, **form.changes())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        facility_delete(obj)
