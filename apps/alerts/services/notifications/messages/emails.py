"""Render deliveries as e-mails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse

from apps.alerts.choices.alerts import AlertSeverity, AlertState
from apps.alerts.choices.notifications import Notice
from apps.alerts.models import Alert, Delivery
from apps.alerts.selectors.notifications import Place
from apps.alerts.services.notifications.acknowledgement import acknowledge_url
from apps.alerts.services.notifications.attempts import AttemptResult, email_result
from apps.alerts.services.notifications.messages.links import alert_url
from apps.organizations.models import Organization
from urfmp.common.mail import mail_message

MAX_ALERTS_IN_MESSAGE = 50
_MAX_REFERENCES = 20


@dataclass(frozen=True)
class EmailMessage:
    """An e-mail."""

    message: EmailMultiAlternatives

    def send(self) -> AttemptResult:
        """Send the e-mail."""
        return email_result(self.message)


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


def email_message(batch: list[Delivery], places: dict[UUID, Place]) -> EmailMessage:
    """Return the e-mail of deliveries that share it.

    Args:
        batch: Deliveries to one recipient.
        places: Place of each alert by its id.
    """
    lead = batch[0]
    organization: Organization = lead.channel.organization
    zone = organization.timezone
    if lead.user is not None:
        zone = lead.user.effective_timezone
    elif lead.alert is not None:
        zone = places[lead.alert.pk].timezone
    items = [_item(row) for row in by_urgency(batch)[:MAX_ALERTS_IN_MESSAGE]]
    is_new = any(item.alert.state == AlertState.NEW for item in items)
    can_acknowledge = lead.user is not None and lead.user.has_perm("alerts.acknowledge_alert")
    message = mail_message(
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
    return EmailMessage(message)


def _preferences_url() -> str:
    return f"{settings.WEB_ORIGIN}{reverse('admin:own_notifications_page')}"


def by_urgency(batch: list[Delivery]) -> list[Delivery]:
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
