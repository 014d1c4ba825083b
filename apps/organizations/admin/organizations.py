from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from apps.accounts.choices import PLATFORM_SLUG
from apps.accounts.permissions.active_organization import chosen_organization
from apps.accounts.services.quotas import Usage, usage_of
from apps.organizations.admin.forms import OrganizationForm, PlanForm, timezone_choices
from apps.organizations.models import Facility, Organization, PlatformOrganization
from apps.organizations.services.organizations import (
    facility_create,
    facility_delete,
    facility_update,
    organization_update,
)
from apps.organizations.services.platform import (
    organization_choose,
    organization_deactivate,
    organization_open,
    organization_reactivate,
    organization_set_plan,
)
from apps.organizations.settings_schema import LOCALES, SETTINGS, WEEKDAYS
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin, ScopedModelForm, viewer
from urfmp.common.http.view_flags import acts_at_home
from urfmp.common.rendering.html import NOTHING, moment


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


def _plan_of(organization: Organization) -> dict[str, Any]:
    return {name: getattr(organization, name) for name in PlanForm.base_fields}


def _may_end(organization: Organization) -> bool:
    return bool(organization.is_active) and organization.slug != PLATFORM_SLUG


@admin.register(Organization)
class OrganizationAdmin(OrganizationScopedAdmin[Organization]):
    audit_resource = "organization"
    form = OrganizationForm
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="set-plan",
            label="Change plan",
            done="has its plan",
            permission="administer",
            icon="sell",
            form_class=PlanForm,
            initial=_plan_of,
            run=lambda _request, row, values: organization_set_plan(row, **values),
        ),
        ObjectAction(
            name="deactivate",
            label="Deactivate",
            done="deactivated; everybody there is signed out",
            permission="administer",
            icon="domain_disabled",
            applies=_may_end,
            run=lambda _request, row, _values: organization_deactivate(row),
            is_danger=True,
            needs_step_up=True,
        ),
        ObjectAction(
            name="reactivate",
            label="Reactivate",
            done="reactivated",
            permission="administer",
            icon="domain",
            applies=lambda row: not row.is_active,
            run=lambda _request, row, _values: organization_reactivate(row),
        ),
    )
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


class PlatformOrganizationForm(ScopedModelForm):
    """A new organization, and the first person in it."""

    admin_email = forms.EmailField(
        label="First admin's e-mail",
        max_length=255,
        required=False,
        widget=UnfoldAdminEmailInputWidget(),
        help_text="Gets an invitation. Without one, enter the organization and add people there.",
    )

    class Meta:
        model = PlatformOrganization
        fields = ("name", "slug", "plan")


@admin.register(PlatformOrganization)
class PlatformOrganizationAdmin(OrganizationScopedAdmin[PlatformOrganization]):
    """Every organization, for super admins. To change one, they enter it."""

    audit_resource = "organization"
    form = PlatformOrganizationForm
    list_display = (
        "name", "slug", "plan", "is_active", "robot_count", "user_count", "api_key_count",
        "created", "enter_button",
    )  # fmt: skip
    list_filter = ("plan", "is_active")
    search_fields = ("name", "slug")
    ordering = ("name",)
    add_fieldsets = ((None, {"fields": ("name", "slug", "plan", "admin_email")}),)
    fieldsets = (
        (None, {"fields": (("name", "slug"), ("plan", "is_active"), "created")}),
        ("In use", {"fields": (("robot_count", "user_count", "api_key_count"),)}),
    )
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="enter",
            label="Enter",
            done="entered; this is in its record and in the platform's",
            permission="view",
            icon="login",
            run=lambda request, row, _values: organization_choose(request, row),
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        urls = super().get_urls()
        for url in urls:
            acts_at_home(url.callback)
        return urls

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        return {}  # one is entered, not several

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (
            "name", "slug", "plan", "is_active", "created", "robot_count", "user_count",
            "api_key_count",
        )  # fmt: skip

    @admin.display(description="Since", ordering="created_at")
    def created(self, organization: PlatformOrganization) -> Any:
        return moment(organization.created_at)

    @admin.display(description="")
    def enter_button(self, organization: PlatformOrganization) -> SafeString:
        return self.action_button(organization, "enter")

    def object_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Go on to the home page of the organization that was entered."""
        before = chosen_organization(request)
        response = super().object_action_view(request, object_id, name)
        if chosen_organization(request) is not before:
            return HttpResponseRedirect(reverse("admin:index"))
        return response

    def perform_create(self, request: HttpRequest, form: Any) -> PlatformOrganization:
        values = {**form.changes(), "admin_email": form.cleaned_data["admin_email"]}
        row: PlatformOrganization = PlatformOrganization.objects.get(
            pk=organization_open(**values).pk
        )
        return row
