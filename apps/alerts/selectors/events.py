"""Timelines of alerts."""

from __future__ import annotations

from apps.alerts.models import Alert, AlertEvent

MAX_TIMELINE_EVENTS = 200


def alert_timeline(alert: Alert) -> list[AlertEvent]:
    """Return an alert's events with their users, newest first, at most 200."""
    events = AlertEvent.objects.filter(alert=alert).select_related("user", "assigned_to")
    return list(events.order_by("-created_at", "-pk")[:MAX_TIMELINE_EVENTS])
