"""Silences in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from apps.alerts.admin.notifications.fields import (
    matchers_text,
    severities_field,
    types_field,
)
from apps.alerts.models import Silence
from apps.alerts.services.notifications.silences import (
    silence_create,
    silence_end,
    silence_update,
)
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    OrganizationScopedAdmin,
    ScopedModelForm,
    request_user,
)
from urfmp.common.rendering.html import badge, datetime_html


class SilenceForm(ScopedModelForm):
    """Matchers, period and reason of a silence."""

    severities = severities_field()
    types = types_field()

    class Meta:
        model = Silence
        fields = ("reason", "severities", "types", "facility", "robot", "starts_at", "ends_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_new and "starts_at" in self.fields:
            self.fields["starts_at"].required = False
            self.fields["starts_at"].help_text = "Leave blank to start now."


class PeriodFilter(DropdownFilter):
    """Filter silences by their period."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("planned", "Planned"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        filters: dict[str, dict[str, Any]] = {
            "active": {"starts_at__lte": now, "ends_at__gt": now},
            "planned": {"starts_at__gt": now},
            "over": {"ends_at__lte": now},
        }
        return queryset.filter(**filters.get(self.value() or "", {}))


def _can_end(silence: Silence) -> bool:
    return not silence.is_over


@admin.register(Silence)
class SilenceAdmin(OrganizationScopedAdmin[Silence]):
    audit_resource = "silence"
    empty_text = (
        "Silences that hold notifications back, for example during planned work, appear here."
    )
    form = SilenceForm
    list_display = ("reason_text", "matches", "state", "start", "end", "created_by")
    list_display_links = ("reason_text",)
    list_filter = (PeriodFilter, "facility", ("robot", AutocompleteFilter))
    search_fields = ("reason",)
    search_help_text = "Search by reason"
    list_select_related = ("facility", "robot", "created_by")
    autocomplete_fields = ("robot",)
    fieldsets = (
        (None, {"fields": ("reason",)}),
        ("Which alerts", {"fields": ("severities", "types", "facility", "robot")}),
        ("When", {"fields": ("starts_at", "ends_at")}),
    )
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="end",
            label="End now",
            done="ended",
            permission="change",
            icon="notifications_active",
            applies=_can_end,
            question="End the silence {object}?",
            run=lambda _request, silence, _values: silence_end(silence),
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or _can_end(obj))

    @admin.display(description="Reason", ordering="reason")
    def reason_text(self, silence: Silence) -> str:
        return str(silence)

    @admin.display(description="Matches")
    def matches(self, silence: Silence) -> str:
        return matchers_text(silence)

    @admin.display(description="State")
    def state(self, silence: Silence) -> SafeString:
        now = timezone.now()
        if silence.ends_at <= now:
            return badge("delivery", "cancelled", "Over")
        if silence.starts_at > now:
            return badge("delivery", "queued", "Planned")
        return badge("delivery", "sending", "Active")

    @admin.display(description="Start", ordering="starts_at")
    def start(self, silence: Silence) -> SafeString | str:
        return datetime_html(silence.starts_at)

    @admin.display(description="End", ordering="ends_at")
    def end(self, silence: Silence) -> SafeString | str:
        return datetime_html(silence.ends_at)

    def perform_create(self, request: HttpRequest, form: Any) -> Silence:
        user = request_user(request)
        return silence_create(
            organization_id=user.organization_id, created_by=user, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Silence:
        return silence_update(obj, **form.service_kwargs())
