"""The timeline on an alert's page."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.selectors.events import alert_timeline
from urfmp.common.rendering.formats import format_datetime, format_number
from urfmp.common.rendering.html import datetime_html


def timeline_html(alert: Alert) -> SafeString:
    """Return an alert's events as a list, newest first."""
    items = format_html_join(
        "",
        '<li><div class="u-rows__main"><span class="u-strong">{}</span>{}'
        '<div class="u-rows__meta">{}<span>{}</span></div></div></li>',
        (
            (
                _title(event),
                format_html('<p class="u-rows__text">{}</p>', event.text) if event.text else "",
                datetime_html(event.created_at),
                str(event.user) if event.user_id else "",
            )
            for event in alert_timeline(alert)
        ),
    )
    return format_html('<ol class="u-rows">{}</ol>', items)


def _title(event: AlertEvent) -> str:
    if event.kind == AlertEventKind.OPENED:
        return f"Opened: {AlertSeverity(event.severity).label}"
    if event.kind == AlertEventKind.REOCCURRED:
        times = "once" if event.occurrences == 1 else f"{format_number(event.occurrences)} times"
        return f"Reported again {times}"
    if event.kind == AlertEventKind.SEVERITY_RAISED:
        return f"Severity raised to {AlertSeverity(event.severity).label}"
    if event.kind == AlertEventKind.ASSIGNED:
        return f"Assigned to {event.assigned_to}" if event.assigned_to_id else "Assignment removed"
    if event.kind == AlertEventKind.SNOOZED:
        return f"Snoozed until {format_datetime(event.until)}" if event.until else "Snoozed"
    return AlertEventKind(event.kind).label
