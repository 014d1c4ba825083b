"""The user's organization in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.services.quotas import quota_usage
from apps.organizations.admin.forms import OrganizationForm, PlanForm
from apps.organizations.admin.platform import can_deactivate, plan_initial, usage_parts
from apps.organizations.choices import MaintenanceType
from apps.organizations.models import Organization
from apps.organizations.models.settings import (
    LOCALES,
    RETENTION_SETTINGS,
    SETTINGS,
    WEEKDAYS,
    parse_settings,
)
from apps.organizations.services.organizations import organization_update
from apps.organizations.services.platform import (
    organization_deactivate,
    organization_reactivate,
    organization_set_plan,
)
from apps.organizations.services.scheduled_settings import scheduled_settings_cancel
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import datetime_html
from urfmp.common.security.recent_auth import require_recent_user_auth


@admin.register(Organization)
class OrganizationAdmin(OrganizationScopedAdmin[Organization]):
    audit_resource = "organization"
    form = OrganizationForm
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="set-plan",
            label="Change plan",
            done="plan changed",
            question="Change the plan of {object}?",
            permission="administer",
            icon="sell",
            form_class=PlanForm,
            initial=plan_initial,
            run=lambda _request, row, values: organization_set_plan(row, **values),
        ),
        ObjectAction(
            name="deactivate",
            label="Deactivate",
            done="deactivated; all its users are signed out",
            permission="administer",
            icon="domain_disabled",
            applies=can_deactivate,
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
            needs_step_up=True,
        ),
        ObjectAction(
            name="cancel-scheduled-settings",
            label="Keep current retention",
            done="keeps its current retention; the scheduled change was cancelled",
            question="Keep the current retention of {object}?",
            permission="change",
            icon="history",
            applies=lambda row: row.scheduled_settings is not None,
            run=lambda _request, row, _values: scheduled_settings_cancel(row),
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
                    "second_approval_required",
                    ("telemetry_retention_days", "status_history_retention_days"),
                    "scheduled_retention",
                    "offline_after_seconds",
                    "maintenance_approval_above_cost",
                    "maintenance_approval_types",
                )
            },
        ),
        (
            "Working hours",
            {
                "fields": WEEKDAYS,
                "classes": ("collapse",),
                "description": "For integrations, which read them through the API; alerts and"
                " availability do not depend on them. Times are in the organization's timezone. An"
                " end that is not after the start is on the next day; 00:00 to 00:00 is the whole"
                " day.",
            },
        ),
        ("Account", {"fields": (("slug", "plan"), "usage", ("is_active", "created"))}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="Since")
    def created(self, organization: Organization) -> Any:
        return datetime_html(organization.created_at)

    @admin.display(description="In use")
    def usage(self, organization: Organization) -> SafeString:
        return format_html(
            '<ul class="u-usage">{}</ul>',
            format_html_join("", "<li>{}{}</li>", map(usage_parts, quota_usage(organization))),
        )

    @admin.display(description="Number format")
    def locale(self, organization: Organization) -> str:
        return LOCALES[organization.effective_settings.locale]

    @admin.display(description="Second factor required", boolean=True)
    def second_factor_required(self, organization: Organization) -> bool:
        return organization.effective_settings.second_factor_required

    @admin.display(description="Second approval required", boolean=True)
    def second_approval_required(self, organization: Organization) -> bool:
        return organization.effective_settings.second_approval_required

    @admin.display(description="Keep telemetry, days")
    def telemetry_retention_days(self, organization: Organization) -> int:
        return organization.effective_settings.telemetry_retention_days

    @admin.display(description="Keep status history, days")
    def status_history_retention_days(self, organization: Organization) -> int:
        return organization.effective_settings.status_history_retention_days

    @admin.display(description="Robots offline after, seconds")
    def offline_after_seconds(self, organization: Organization) -> int:
        return organization.effective_settings.offline_after_seconds

    @admin.display(description="Approve maintenance above a cost of")
    def maintenance_approval_above_cost(self, organization: Organization) -> int | None:
        return organization.effective_settings.maintenance_approval_above_cost

    @admin.display(description="Approve maintenance of the types")
    def maintenance_approval_types(self, organization: Organization) -> str:
        types = organization.effective_settings.maintenance_approval_types
        return ", ".join(str(MaintenanceType(name).label) for name in types) or NOTHING

    @admin.display(description="Scheduled retention")
    def scheduled_retention(self, organization: Organization) -> SafeString | str:
        if organization.scheduled_settings_at is None:
            return NOTHING
        periods = ", ".join(
            f"{RETENTION_SETTINGS[name].lower()} {days} day{'' if days == 1 else 's'}"
            for name, days in organization.scheduled_retention.items()
        )
        at = datetime_html(organization.scheduled_settings_at)
        return format_html("{} from {}", periods[:1].upper() + periods[1:], at)

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
                {
                    "fields": (
                        "name",
                        "description",
                        "slug",
                        "plan",
                        "usage",
                        *SETTINGS,
                        "scheduled_retention",
                        "created",
                    )
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("slug", "plan", "usage", "is_active", "created", "scheduled_retention")
        return shown if self.has_change_permission(request, obj) else (*shown, *SETTINGS)

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Organization:
        changes = form.service_kwargs()
        before, scheduled_before = obj.effective_settings, obj.scheduled_settings_at
        if "settings" in changes and before.is_weakened_by(parse_settings(changes["settings"])):
            require_recent_user_auth(request)
        organization = organization_update(obj, **changes)
        if organization.scheduled_settings_at not in {None, scheduled_before}:
            at = timezone.localtime(organization.scheduled_settings_at)
            text = (
                f"The shorter retention takes effect on {at:%d %B %Y at %H:%M}. Until then you can"
                " cancel it here."
            )
            self.message_user(request, text, messages.WARNING)
        return organization
