"""List of all organizations in the admin, for super admins."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminEmailInputWidget

from apps.accounts.auth.requests import (
    current_session,
    get_active_organization,
    set_active_organization,
)
from apps.accounts.choices import PLATFORM_SLUG
from apps.accounts.services.quotas import Usage
from apps.organizations.admin.forms import PlanForm
from apps.organizations.models import Organization, PlatformOrganization
from apps.organizations.services.platform import organization_onboard, organization_switch
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin, ScopedModelForm
from urfmp.common.http.view_policy import view_policy
from urfmp.common.rendering.html import datetime_html


def usage_parts(usage: Usage) -> tuple[SafeString, str]:
    """Return a quota's progress bar, empty without a limit, and its text."""
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


def plan_initial(organization: Organization) -> dict[str, Any]:
    """Return the initial values of the plan form."""
    return {name: getattr(organization, name) for name in PlanForm.base_fields}


def can_deactivate(organization: Organization) -> bool:
    """Return whether the organization can be deactivated; the platform cannot."""
    return bool(organization.is_active) and organization.slug != PLATFORM_SLUG


def _switch(request: HttpRequest, organization: PlatformOrganization) -> None:
    active = get_active_organization(request)
    active = organization_switch(current_session(request), organization, active=active)
    set_active_organization(request, active)


class PlatformOrganizationForm(ScopedModelForm):
    """A new organization and its first admin."""

    admin_email = forms.EmailField(
        label="First admin's e-mail",
        max_length=255,
        required=False,
        widget=UnfoldAdminEmailInputWidget(),
        help_text="An invitation is sent to this address. Leave blank to add users yourself.",
    )

    class Meta:
        model = PlatformOrganization
        fields = ("name", "slug", "plan")


@admin.register(PlatformOrganization)
class PlatformOrganizationAdmin(OrganizationScopedAdmin[PlatformOrganization]):
    """All organizations, for super admins, who enter one to change it."""

    audit_resource = "organization"
    empty_text = "The organizations of this installation appear here."
    form = PlatformOrganizationForm
    list_display = (
        "name", "slug", "plan", "is_active", "robot_count", "user_count", "api_key_count",
        "created", "enter_button",
    )  # fmt: skip
    list_filter = ("plan", "is_active")
    search_fields = ("name", "slug")
    search_help_text = "Search by name or slug"
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
            done="entered. This is logged in both audit logs",
            permission="view",
            icon="login",
            run=lambda request, row, _values: _switch(request, row),
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        urls = super().get_urls()
        for url in urls:
            view_policy(home_organization=True)(url.callback)
        return urls

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        return {}  # only one organization can be entered

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
        return datetime_html(organization.created_at)

    @admin.display(description="Action")
    def enter_button(self, organization: PlatformOrganization) -> SafeString:
        return self.action_button(organization, "enter")

    def object_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Redirect to the home page of the organization that was entered."""
        before = get_active_organization(request)
        response = super().object_action_view(request, object_id, name)
        if get_active_organization(request) is not before:
            return HttpResponseRedirect(reverse("admin:index"))
        return response

    def perform_create(self, request: HttpRequest, form: Any) -> PlatformOrganization:
        values = {**form.service_kwargs(), "admin_email": form.cleaned_data["admin_email"]}
        row: PlatformOrganization = PlatformOrganization.objects.get(
            pk=organization_onboard(**values).pk
        )
        return row
