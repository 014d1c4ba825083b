"""Render deliveries as requests to webhooks and Alertmanager, and as e-mails."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils import timezone

from apps.alerts.choices.alerts import AlertSeverity, AlertState
from apps.alerts.choices.notifications import ChannelKind, Notice
from apps.alerts.models import Alert, AlertEvent, Delivery, NotificationChannel
from apps.alerts.protocols.alertmanager import (
    API_PATH,
    HEADERS,
    posted_alerts,
    posted_body,
    posted_test,
)
from apps.alerts.protocols.webhooks import webhook_body, webhook_headers
from apps.alerts.selectors.notifications import Place
from apps.alerts.services.notifications.acknowledgement import acknowledge_url
from apps.alerts.services.notifications.attempts import AttemptResult, email_result, webhook_result
from apps.alerts.services.notifications.channels import signing_secrets
from apps.organizations.models import Organization
from urfmp.common.http.outgoing import Network, parse_networks
from urfmp.common.mail import mail_message

MAX_ALERTS_IN_MESSAGE = 50
_MAX_REFERENCES = 20


class Message(Protocol):
    """A rendered message, which is sent without the database."""

    def send(self) -> AttemptResult:
        """Send the message and return the result; never raises."""


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
    allowed: list[Network]

    def send(self) -> AttemptResult:
        """Send the request."""
        return webhook_result(self.url, self.body, lambda _timestamp: HEADERS, self.allowed)


@dataclass(frozen=True)
class EmailMessage:
    """An e-mail."""

    message: EmailMultiAlternatives

    def send(self) -> AttemptResult:
        """Send the e-mail."""
        return email_result(self.message)


def render_message(batch: list[Delivery], places: dict[UUID, Place]) -> Message:
    """Return the message of deliveries that share it.

    Args:
        batch: Deliveries with channel, alert, robot and user, and the same `batch_id`.
        places: Place of each alert by its id.
    """
    if batch[0].channel.kind == ChannelKind.WEBHOOK:
        return _webhook(batch[0])
    if batch[0].channel.kind == ChannelKind.ALERTMANAGER:
        return _alertmanager(batch)
    return EmailMessage(_email(batch, places))


# Webhooks


def _webhook(delivery: Delivery) -> WebhookMessage:
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


def _alertmanager(batch: list[Delivery]) -> AlertmanagerMessage:
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


def alert_url(alert: Alert) -> str:
    """Return the URL of an alert's page."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:alerts_alert_change', args=[alert.pk])}"


# E-mail


@dataclass(frozen=True)
class EmailItem:
    """An alert in an e-mail.

    Attributes:
        alert: Alert.
        notice: Why it is in the e-mail, for readers.
        severity: Label of its severity.
        facility: Name of its facility, or an empty text.
        url: URL of its page.
        since: Time of its first report.
    """

    alert: Alert
    notice: str
    severity: str
    facility: str
    url: str
    since: datetime


def _email(batch: list[Delivery], places: dict[UUID, Place]) -> EmailMultiAlternatives:
    lead = batch[0]
    organization: Organization = lead.channel.organization
    zone = organization.timezone
    if lead.user is not None:
        zone = lead.user.effective_timezone
    elif lead.alert is not None:
        zone = places[lead.alert.pk].timezone
    items = [_item(row) for row in _by_urgency(batch)[:MAX_ALERTS_IN_MESSAGE]]
    is_new = any(item.alert.state == AlertState.NEW for item in items)
    can_acknowledge = lead.user is not None and lead.user.has_perm("alerts.acknowledge_alert")
    return mail_message(
        to=lead.address,
        subject=_subject(batch, items, organization),
        template="mail/alerts.txt" if items else "mail/alerts_test.txt",
        html_template="mail/alerts.html" if items else None,
        context={
            "organization": organization,
            "channel": lead.channel,
            "items": items,
            "more": max(0, len(batch) - len(items)),
            "acknowledge_url": acknowledge_url(lead) if is_new and can_acknowledge else "",
            "preferences_url": _preferences_url() if lead.user is not None else "",
            "alerts_url": f"{settings.WEB_ORIGIN}{reverse('admin:alerts_alert_changelist')}",
        },
        timezone=zone,
        locale=organization.effective_settings.locale,
        headers=_thread_headers(batch),
    )


def _preferences_url() -> str:
    return f"{settings.WEB_ORIGIN}{reverse('admin:own_notifications_page')}"


def _by_urgency(batch: list[Delivery]) -> list[Delivery]:
    """Return one delivery for each alert, the most severe first."""
    latest = {row.alert.pk: row for row in batch if row.alert is not None}
    order = AlertSeverity.values
    return sorted(
        latest.values(),
        key=lambda row: (-order.index(row.alert.severity), row.alert.created_at),
    )


def _item(delivery: Delivery) -> EmailItem:
    alert = delivery.alert
    return EmailItem(
        alert=alert,
        notice=Notice.RESOLVED.label if alert.is_resolved else delivery.get_notice_display(),
        severity=AlertSeverity(alert.severity).label,
        facility=alert.robot.facility if alert.robot is not None else "",
        url=alert_url(alert),
        since=alert.created_at,
    )


def _subject(batch: list[Delivery], items: list[EmailItem], organization: Organization) -> str:
    if not items:
        return f"Test of the channel {batch[0].channel}"
    first = items[0]
    if len(items) == 1:
        robot = f" ({first.alert.robot})" if first.alert.robot is not None else ""
        prefix = f"{first.notice}: " if first.notice != Notice.OPENED.label else ""
        return f"{prefix}{first.severity}: {first.alert.title}{robot}"
    place = first.facility or organization.name
    number = len({row.alert.pk for row in batch})
    return f"{number} alerts at {place}, worst: {first.severity}"


def _thread_headers(batch: list[Delivery]) -> dict[str, str]:
    """Return the message id, and references that thread an alert's e-mails."""
    host = urlsplit(settings.WEB_ORIGIN).hostname or "localhost"
    lead = batch[0]
    alerts = dict.fromkeys(row.alert.pk for row in batch if row.alert is not None)
    threads = [f"<alert.{pk}.{lead.channel_id}@{host}>" for pk in [*alerts][:_MAX_REFERENCES]]
    headers = {"Message-ID": f"<{lead.batch_id}@{host}>"}
    if threads:
        headers |= {"References": " ".join(threads), "In-Reply-To": threads[0]}
    return headers
