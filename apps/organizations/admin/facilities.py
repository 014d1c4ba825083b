"""Facilities in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from apps.organizations.models import Facility
from apps.organizations.services.facilities import facility_create, facility_delete, facility_update
from urfmp.common.admin import OrganizationScopedAdmin, ScopedModelForm, request_user
from urfmp.common.time.zones import timezone_choices


class FacilityForm(ScopedModelForm):
    """Name and timezone of a facility."""

    timezone = forms.ChoiceField(
        choices=lambda: [("", "Same as the organization"), *timezone_choices()],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = Facility
        fields = ("name", "timezone")


@admin.register(Facility)
class FacilityAdmin(OrganizationScopedAdmin[Facility]):
    audit_resource = "facility"
    empty_text = "The places where your robots work appear here."
    form = FacilityForm
    list_display = ("name", "timezone_label", "map_link")
    search_fields = ("name",)
    search_help_text = "Search by name"
    fieldsets = ((None, {"fields": ("name", "timezone")}),)
    change_form_outer_before_template = "admin/organizations/facility_links.html"

    @admin.display(description="Timezone", ordering="timezone")
    def timezone_label(self, facility: Facility) -> str:
        return facility.timezone or "same as the organization"

    @admin.display(description="Floor map")
    def map_link(self, facility: Facility) -> SafeString:
        return format_html(
            '<a class="u-link" href="{}" aria-label="Floor map of {}">Open the map</a>',
            reverse("admin:floor_map_page", args=[facility.pk]),
            facility.name,
        )

    def perform_create(self, request: HttpRequest, form: Any) -> Facility:
        return facility_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Facility:
        return facility_update(obj, **form.service_kwargs())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        facility_delete(obj)
