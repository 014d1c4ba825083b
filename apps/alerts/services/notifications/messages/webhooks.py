"""Render deliveries as requests to webhooks and Alertmanager."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.alerts.models import Alert, AlertEvent, Delivery, NotificationChannel
from apps.alerts.protocols.alertmanager import (
    API_PATH,
    HEADERS,
    posted_alerts,
    posted_body,
    posted_test,
)
from apps.alerts.protocols.webhooks import webhook_body, webhook_headers
from apps.alerts.services.notifications.attempts import AttemptResult, webhook_result
from apps.alerts.services.notifications.channels import authorization, signing_secrets
from apps.alerts.services.notifications.messages.links import alert_url
from urfmp.common.http.outgoing import Network, parse_networks


@dataclass(frozen=True)
class WebhookMessage:
    """A request, signed when it is sent."""

    url: str
    delivery_id: UUID
    secrets: list[str]
    body: bytes
    allowed: list[Network]

    def send(self) -> AttemptResult:
        """Send the request."""
        return webhook_result(self.url, self.body, self._headers, self.allowed)

    def _headers(self, timestamp: int) -> dict[str, str]:
        return webhook_headers(self.secrets, self.delivery_id, timestamp, self.body)


@dataclass(frozen=True)
class AlertmanagerMessage:
    """A request to Alertmanager."""

    url: str
    body: bytes
    authorization: str
    allowed: list[Network]

    def send(self) -> AttemptResult:
        """Send the request."""
        own = {"Authorization": self.authorization} if self.authorization else {}
        headers = {**HEADERS, **own}
        return webhook_result(self.url, self.body, lambda _timestamp: headers, self.allowed)


def webhook_message(delivery: Delivery) -> WebhookMessage:
    """Return the request of a delivery to a webhook."""
    channel: NotificationChannel = delivery.channel
    data: dict[str, Any] = {"delivery_id": str(delivery.pk)}
    if delivery.alert is not None:
        data = _alert_data(delivery.alert)
    return WebhookMessage(
        url=channel.url,
        delivery_id=delivery.pk,
        secrets=signing_secrets(channel),
        body=webhook_body(delivery.notice, delivery.created_at, data),
        allowed=parse_networks(channel.allowed_networks),
    )


def alertmanager_message(batch: list[Delivery]) -> AlertmanagerMessage:
    """Return the request with the present state of the alerts, each once."""
    channel: NotificationChannel = batch[0].channel
    now = timezone.now()
    alerts: dict[UUID, Alert] = {row.alert.pk: row.alert for row in batch if row.alert is not None}
    events = AlertEvent.objects.filter(alert__in=list(alerts)).order_by()
    earlier: defaultdict[UUID, list[str]] = defaultdict(list)
    for alert_id, severity in events.values_list("alert_id", "severity").distinct():
        earlier[alert_id].append(severity)
    posted = [
        item
        for alert in alerts.values()
        for item in posted_alerts(
            alert,
            facility=alert.robot.facility if alert.robot is not None else "",
            url=alert_url(alert),
            earlier=earlier[alert.pk],
            now=now,
        )
    ]
    if any(row.alert is None for row in batch):
        posted.append(posted_test(channel, url=settings.WEB_ORIGIN, now=now))
    return AlertmanagerMessage(
        url=f"{channel.url}{API_PATH}",
        body=posted_body(posted),
        authorization=authorization(channel),
        allowed=parse_networks(channel.allowed_networks),
    )


def _alert_data(alert: Alert) -> dict[str, Any]:
    robot = alert.robot
    return {
        "alert_id": str(alert.pk),
        "organization_id": str(alert.organization_id),
        "robot_id": str(alert.robot_id) if alert.robot_id else None,
        "robot": str(robot) if robot is not None else None,
        "facility": (robot.facility if robot is not None else "") or None,
        "key": alert.key,
        "type": alert.type,
        "severity": alert.severity,
        "state": alert.state.value,
        "title": alert.title,
        "url": alert_url(alert),
    }
