"""Deliveries and dead letters in the admin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.notifications import PENDING_STATES, DeliveryState
from apps.alerts.models import Delivery
from apps.alerts.services.notifications.deliveries import REPLAYABLE_STATES, delivery_replay
from urfmp.common.admin import ObjectAction, ReadOnlyAdmin, TimeRangeFilter
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge, datetime_html, relative_time_html


def state_badge(delivery: Delivery) -> SafeString:
    """Return the state of a delivery as a badge."""
    return badge("delivery", delivery.state, DeliveryState(delivery.state).label)


def result_text(delivery: Delivery) -> str:
    """Return in words what came of a delivery so far."""
    if delivery.last_error and delivery.state != DeliveryState.DELIVERED:
        return delivery.last_error
    if delivery.held_reason:
        return delivery.held_reason
    parts = []
    if delivery.response_code is not None:
        parts.append(f"Answer {delivery.response_code}")
    if delivery.latency_ms is not None:
        parts.append(f"{delivery.latency_ms} ms")
    return ", ".join(parts) or NOTHING


def deliveries_html(deliveries: Iterable[Delivery]) -> SafeString:
    """Return a list of deliveries."""
    rows = format_html_join(
        "",
        '<li><div class="u-rows__main"><a class="u-rows__title" href="{}">{}</a>'
        '<div class="u-rows__meta">{}<span>{}</span><span>{}</span><span>{}</span></div>'
        "</div></li>",
        (
            (
                reverse("admin:alerts_delivery_change", args=[row.pk]),
                str(row),
                state_badge(row),
                relative_time_html(row.created_at),
                row.address,
                result_text(row),
            )
            for row in deliveries
        ),
    )
    if not rows:
        return format_html("<p>{}</p>", "No notification was sent yet.")
    return format_html('<ol class="u-rows">{}</ol>', rows)


def _is_replayable(delivery: Delivery) -> bool:
    return delivery.state in REPLAYABLE_STATES


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    empty_text = "Notifications appear here once a route sends alerts to a channel."
    list_display = (
        "written", "notice_text", "channel", "address", "state_column", "attempts", "result",
    )  # fmt: skip
    list_display_links = ("written",)
    list_filter = ("state", "channel", "severity", "notice", ("created_at", TimeRangeFilter))
    search_fields = ("address", "alert__title")
    search_help_text = "Search by recipient or alert"
    list_select_related = ("channel", "alert")
    ordering = ("-created_at",)
    fields = (
        "id", "notice_text", "alert_link", "severity_badge", "channel", "address", "state_column",
        "attempts", "result", "response_code", "latency_ms", "written_at", "next_attempt", "ended",
    )  # fmt: skip
    readonly_fields = fields
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="replay",
            label="Send again",
            done="queued again",
            permission="change",
            icon="replay",
            applies=_is_replayable,
            run=lambda _request, delivery, _values: delivery_replay(delivery),
        ),
    )

    @admin.display(description="Written", ordering="created_at")
    def written(self, delivery: Delivery) -> SafeString | str:
        return relative_time_html(delivery.created_at)

    @admin.display(description="Written")
    def written_at(self, delivery: Delivery) -> SafeString | str:
        return datetime_html(delivery.created_at)

    @admin.display(description="Notice")
    def notice_text(self, delivery: Delivery) -> str:
        return str(delivery)[:120]

    @admin.display(description="Alert")
    def alert_link(self, delivery: Delivery) -> SafeString | str:
        if delivery.alert is None:
            return NOTHING
        url = reverse("admin:alerts_alert_change", args=[delivery.alert_id])
        return format_html('<a class="u-link" href="{}">{}</a>', url, delivery.alert)

    @admin.display(description="Severity")
    def severity_badge(self, delivery: Delivery) -> SafeString:
        return badge("severity", delivery.severity, AlertSeverity(delivery.severity).label)

    @admin.display(description="State", ordering="state")
    def state_column(self, delivery: Delivery) -> SafeString:
        return state_badge(delivery)

    @admin.display(description="Result")
    def result(self, delivery: Delivery) -> str:
        return result_text(delivery)[:300]

    @admin.display(description="Next attempt")
    def next_attempt(self, delivery: Delivery) -> SafeString | str:
        return datetime_html(delivery.due_at) if delivery.state in PENDING_STATES else NOTHING

    @admin.display(description="Ended")
    def ended(self, delivery: Delivery) -> Any:
        return datetime_html(delivery.ended_at)
