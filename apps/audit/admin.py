from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter, FieldTextFilter

from apps.audit.models import AuditLog
from urfmp.common.admin import AutocompleteFilter, ReadOnlyAdmin, TimeRangeFilter
from urfmp.common.html import NOTHING, badge, block, difference, moment

RESOURCES = (
    "user",
    "session",
    "api_key",
    "organization",
    "facility",
    "robot",
    "command",
    "maintenance_task",
    "alert",
)


class ResourceFilter(DropdownFilter):
    """The record by what was acted on."""

    title = "resource"
    parameter_name = "resource"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in RESOURCES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


class OutcomeFilter(DropdownFilter):
    """The record by whether the act succeeded."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "Done"), ("refused", "Refused or failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"done", "refused"}:
            return queryset
        return queryset.filter(success=self.value() == "done")


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin[AuditLog]):
    list_display = ("time", "actor", "action", "resource", "outcome", "ip_address")
    list_filter = (
        ("created_at", TimeRangeFilter), ("action", FieldTextFilter), ResourceFilter,
        ("user", AutocompleteFilter), OutcomeFilter,
    )  # fmt: skip
    search_fields = ("action", "request_id")
    search_help_text = "An action, a request id, or the id of what was changed."
    list_select_related = ("user",)
    fieldsets = (
        (None, {"fields": ("time", "actor", "action", "resource", "outcome")}),
        ("Change", {"fields": ("change",)}),
        (
            "Request",
            {"fields": ("ip_address", "user_agent", "request_id", "asked", "error_message")},
        ),
    )
    readonly_fields = (
        "time", "actor", "action", "resource", "outcome", "change", "ip_address", "user_agent",
        "request_id", "asked", "error_message",
    )  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look an id up as such: the column is no text, and has an index."""
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)  # type: ignore[no-any-return]
        return queryset.filter(resource_id=wanted), False

    @admin.display(description="Time", ordering="created_at")
    def time(self, entry: AuditLog) -> SafeString | str:
        return moment(entry.created_at)

    @admin.display(description="Who", ordering="user")
    def actor(self, entry: AuditLog) -> str:
        if entry.user_id is not None:
            return str(entry.user)
        return "An API key" if entry.api_key_id else "The system"

    @admin.display(description="What", ordering="resource_type")
    def resource(self, entry: AuditLog) -> SafeString | str:
        if entry.resource_type is None:
            return NOTHING
        named = (entry.after or entry.before or {}).get("name")
        text = (
            f"{entry.resource_type.replace('_', ' ')} {named or str(entry.resource_id or '')[:8]}"
        )
        return format_html('<span title="{}">{}</span>', str(entry.resource_id or ""), text)

    @admin.display(description="Outcome", ordering="success")
    def outcome(self, entry: AuditLog) -> SafeString:
        if entry.success:
            return badge("outcome", "done", "Done")
        return badge("outcome", "refused", "Refused")

    @admin.display(description="Before and after")
    def change(self, entry: AuditLog) -> SafeString:
        return difference(entry.before, entry.after)

    @admin.display(description="Asked")
    def asked(self, entry: AuditLog) -> SafeString:
        return block(entry.request_data)
