from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from apps.organizations.models import Facility, Organization
from apps.organizations.services import (
    facility_create,
    facility_delete,
    facility_update,
    organization_update,
)
from urfmp.common.admin import OrganizationScopedAdmin, ScopedModelForm, viewer
from urfmp.common.html import moment


def _timezones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(zoneinfo.available_timezones()) if name[:1].isupper()]


class OrganizationForm(ScopedModelForm):
    """The organization, with its timezone out of the settings."""

    timezone = forms.ChoiceField(
        choices=_timezones,
        widget=UnfoldAdminSelectWidget(),
        help_text="In which pages show times. Everything is stored in UTC.",
    )

    class Meta:
        model = Organization
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "timezone" in self.fields:
            self.fields["timezone"].initial = self.instance.timezone

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if "timezone" in self.changed_data:
            settings = {**(self.instance.settings or {}), "timezone": self.cleaned_data["timezone"]}
            changes["settings"] = settings
        return changes


@admin.register(Organization)
class OrganizationAdmin(OrganizationScopedAdmin[Organization]):
    audit_resource = "organization"
    form = OrganizationForm
    list_display = ("name", "slug", "plan", "timezone", "is_active")
    readonly_fields = ("slug", "plan", "is_active", "created")
    fieldsets = (
        (None, {"fields": ("name", "description", "timezone")}),
        ("Account", {"fields": (("slug", "plan"), ("is_active", "created"))}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="Since")
    def created(self, organization: Organization) -> Any:
        return moment(organization.created_at)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return ((None, {"fields": ("name", "description", "slug", "plan", "timezone", "created")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("slug", "plan", "is_active", "created")
        return shown if self.has_change_permission(request, obj) else (*shown, "timezone")

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Organization:
        return organization_update(obj, **form.changes())


class FacilityForm(ScopedModelForm):
    """A facility: its name, its timezone and the size of its floor."""

    timezone = forms.ChoiceField(
        choices=lambda: [("", "As the organization"), *_timezones()],
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
