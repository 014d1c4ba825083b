"""Publish changes of alerts to the live pages."""

from __future__ import annotations

from django.db import transaction

from apps.alerts.models import Alert, AlertEvent
from urfmp.common.redis.events import AlertEvent as PublishedEvent
from urfmp.common.redis.events import publish


def alert_event_publish(alert: Alert, event: AlertEvent) -> None:
    """Publish an event of an alert after the commit."""
    published = PublishedEvent(
        robot_id=alert.robot_id,
        alert_id=alert.pk,
        kind=event.kind,
        severity=event.severity,
        title=alert.title,
        time=event.created_at,
    )
    organization_id = alert.organization_id
    transaction.on_commit(lambda: publish(organization_id, published), robust=True)
