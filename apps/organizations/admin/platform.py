"""Organizations as the platform's super admins see them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminEmailInputWidget

from apps.accounts.auth.requests import chosen_organization
from apps.accounts.choices import PLATFORM_SLUG
from apps.accounts.services.quotas import Usage
from apps.organizations.admin.forms import PlanForm
from apps.organizations.models import Organization, PlatformOrganization
from apps.organizations.services.platform import (
    organization_choose,
    organization_open,
)
from urfmp.common.admin import ObjectAction, OrganizationScopedAdmin, ScopedModelForm
from urfmp.common.http.view_flags import acts_at_home
from urfmp.common.rendering.html import moment


def usage_parts(usage: Usage) -> tuple[SafeString, str]:
    """Return a progress bar of a quota and its text; an unlimited quota has no bar."""
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


def plan_of(organization: Organization) -> dict[str, Any]:
    """Return the initial values of the plan form."""
    return {name: getattr(organization, name) for name in PlanForm.base_fields}


def may_end(organization: Organization) -> bool:
    """Return whether the organization can be deactivated; the platform cannot."""
    return bool(organization.is_active) and organization.slug != PLATFORM_SLUG


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
