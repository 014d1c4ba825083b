from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from apps.alerts.admin.actions import ALERT_ACTIONS, can_acknowledge, can_resolve
from apps.alerts.admin.links import alert_links
from apps.alerts.admin.timeline import timeline_html
from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert
from apps.alerts.selectors.alerts import severity_rank
from apps.robots.admin.stop_links import with_stop_column
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    ReadOnlyAdmin,
    RecentRowsSearchMixin,
    TimeRangeFilter,
)
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import (
    badge,
    datetime_html,
    preformatted,
    relative_time_html,
)


class StateFilter(DropdownFilter):
    """Filter alerts by state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("new", "Not acknowledged"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        filters: dict[str, dict[str, bool]] = {
            "open": {"is_resolved": False},
            "new": {"is_resolved": False, "is_acknowledged": False},
            "resolved": {"is_resolved": True},
        }
        return queryset.filter(**filters.get(self.value() or "", {}))


@admin.register(Alert)
class AlertAdmin(RecentRowsSearchMixin, ReadOnlyAdmin[Alert]):
    audit_resource = "alert"
    empty_text = "Alerts that robots and integrations report through the API appear here."
    list_display = (
        "title", "severity_badge", "robot", "state", "occurrences", "first_seen", "last_seen",
        "next_step",
    )  # fmt: skip
    list_filter = (
        StateFilter, "severity", "type", "source", ("robot", AutocompleteFilter),
        ("created_at", TimeRangeFilter),
    )  # fmt: skip
    search_fields = ("title", "message", "robot__name")
    search_help_text = "Search by robot, title or message"
    search_text_fields = ("title", "message")
    list_select_related = ("robot", "acknowledged_by", "assigned_to")
    fields = (
        "title", "severity_badge", "state", "robot_link", "message", "type", "source", "key",
        "occurrences", "started", "first_seen_at", "last_seen_at_exact", "assigned_to",
        "acknowledged", "snoozed", "resolved", "resolution", "details", "timeline",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "admin/inc/robot_actions.html"
    object_actions: ClassVar[tuple[ObjectAction, ...]] = ALERT_ACTIONS

    change_form_before_template = "admin/alerts/alert_links.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (alert := kwargs.get("obj")) is not None:
            context |= alert_links(alert)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.annotate(severity_rank=severity_rank())  # type: ignore[no-any-return]

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        columns = tuple(super().get_list_display(request))
        shown = columns if self.allowed_actions(request) else columns[:-1]
        return with_stop_column(request, shown)

    @admin.display(description="Severity", ordering="severity_rank")
    def severity_badge(self, alert: Alert) -> SafeString:
        return badge("severity", alert.severity, AlertSeverity(alert.severity).label)

    @admin.display(description="State")
    def state(self, alert: Alert) -> SafeString:
        return badge("alert", alert.state, alert.state.capitalize())

    @admin.display(description="First seen", ordering="created_at")
    def first_seen(self, alert: Alert) -> SafeString | str:
        return relative_time_html(alert.created_at)

    @admin.display(description="First seen")
    def first_seen_at(self, alert: Alert) -> SafeString | str:
        return datetime_html(alert.created_at)

    @admin.display(description="Last seen", ordering="last_seen_at")
    def last_seen(self, alert: Alert) -> SafeString | str:
        return relative_time_html(alert.last_seen_at)

    @admin.display(description="Last seen")
    def last_seen_at_exact(self, alert: Alert) -> SafeString | str:
        return datetime_html(alert.last_seen_at)

    @admin.display(description="Robot")
    def robot_link(self, alert: Alert) -> SafeString | str:
        if alert.robot is None:
            return NOTHING
        url = reverse("admin:robot_page", args=[alert.robot_id])
        return format_html('<a class="u-link" href="{}">{}</a>', url, alert.robot)

    @admin.display(description="Details")
    def details(self, alert: Alert) -> SafeString:
        return preformatted(alert.metadata)

    @admin.display(description="Acknowledged")
    def acknowledged(self, alert: Alert) -> SafeString | str:
        if not alert.is_acknowledged:
            return NOTHING
        actor = alert.acknowledged_by or "An API key"
        return format_html("{}, {}", str(actor), datetime_html(alert.acknowledged_at))

    @admin.display(description="Began")
    def started(self, alert: Alert) -> SafeString | str:
        return datetime_html(alert.started_at)

    @admin.display(description="Snoozed until")
    def snoozed(self, alert: Alert) -> SafeString | str:
        return datetime_html(alert.snoozed_until)

    @admin.display(description="Timeline")
    def timeline(self, alert: Alert) -> SafeString:
        return timeline_html(alert)

    @admin.display(description="Resolved")
    def resolved(self, alert: Alert) -> SafeString | str:
        return datetime_html(alert.resolved_at)

    @admin.display(description="Action")
    def next_step(self, alert: Alert) -> SafeString | str:
        if can_acknowledge(alert):
            return self.action_button(alert, "acknowledge")
        return self.action_button(alert, "resolve") if can_resolve(alert) else ""
