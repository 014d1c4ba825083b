"""Render deliveries as push messages to browsers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from email.utils import parseaddr
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from apps.alerts.choices.alerts import AlertSeverity, AlertState
from apps.alerts.choices.notifications import Notice
from apps.alerts.models import Alert, Delivery
from apps.alerts.protocols.web_push import KeyPair, encrypt_message, push_headers
from apps.alerts.services.notifications.acknowledgement import acknowledge_url
from apps.alerts.services.notifications.attempts import AttemptResult, webhook_result
from apps.alerts.services.notifications.messages.emails import by_urgency
from apps.alerts.services.notifications.messages.links import alert_url
from apps.alerts.services.notifications.push import push_address, push_key, push_key_pair
from urfmp.common.http.outgoing import Network, parse_networks

_MAX_TITLE_LENGTH = 120
_MAX_LINES = 4
_URGENT_SEVERITIES = (AlertSeverity.ERROR, AlertSeverity.CRITICAL)
# A subscription that ended is answered with one of these (RFC 8030, section 7.3).
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True)
class PushMessage:
    """A request to a push service, authenticated when it is sent."""

    url: str
    message_id: UUID
    keys: KeyPair
    body: bytes
    is_urgent: bool
    allowed: list[Network]

    def send(self) -> AttemptResult:
        """Send the request."""
        result = webhook_result(self.url, self.body, self._headers, self.allowed)
        return replace(result, is_gone=result.code in _GONE)

    def _headers(self, timestamp: int) -> dict[str, str]:
        return push_headers(
            self.keys,
            url=self.url,
            contact=_contact(),
            message_id=self.message_id,
            is_urgent=self.is_urgent,
            timestamp=timestamp,
        )


def push_message(batch: list[Delivery]) -> PushMessage:
    """Return the push message of deliveries that share it.

    Args:
        batch: Deliveries to one browser, with the same `batch_id`.

    Raises:
        DecryptionError: The key of the organization or the browser's address is unreadable.
    """
    lead = batch[0]
    endpoint, auth_secret = push_address(lead.subscription)
    content = json.dumps(_content(batch), ensure_ascii=False).encode()
    return PushMessage(
        url=endpoint,
        message_id=lead.batch_id or lead.pk,
        keys=push_key_pair(push_key(lead.organization_id)),
        body=encrypt_message(
            content, browser_key=lead.subscription.browser_key, auth_secret=auth_secret
        ),
        is_urgent=any(row.severity in _URGENT_SEVERITIES for row in batch),
        allowed=parse_networks(lead.channel.allowed_networks),
    )


def _contact() -> str:
    """Return the address at which push services reach the operator."""
    if settings.WEB_ORIGIN.startswith("https://"):
        return str(settings.WEB_ORIGIN)
    return f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}"


def _content(batch: list[Delivery]) -> dict[str, Any]:
    """Return what the service worker shows; its keys are read in `push.js`."""
    lead = batch[0]
    rows = by_urgency(batch)
    if not rows:
        return {
            "id": str(lead.batch_id),
            "title": "Test of push messages",
            "body": f"The channel {lead.channel} reaches this browser.",
            "tag": "test",
            "url": reverse("admin:own_notifications_page"),
        }
    first: Alert = rows[0].alert
    common = {
        "id": str(lead.batch_id),
        "severity": first.severity,
        "is_resolved": all(row.alert.is_resolved for row in rows),
    }
    can_acknowledge = lead.user.has_perm("alerts.acknowledge_alert")
    if len(rows) == 1:
        is_new = first.state == AlertState.NEW and can_acknowledge
        acknowledge = reverse("api:alert-acknowledge", args=[first.pk])
        return common | {
            "title": _title(rows[0]),
            "body": _place(first),
            "tag": f"alert-{first.pk}",
            "url": urlsplit(alert_url(first)).path,
            "acknowledge": acknowledge if is_new else "",
            # Where the user confirms if the session of the browser has expired.
            "confirm": _path_of(acknowledge_url(lead)) if is_new else "",
        }
    lines = [_title(row) for row in rows[:_MAX_LINES]]
    more = len(rows) - len(lines)
    return common | {
        "title": f"{len(rows)} alerts at {_facility(first) or lead.channel.organization.name}",
        "body": "\n".join([*lines, *([f"and {more} more"] if more else [])]),
        "tag": f"alerts-{lead.group_key}",
        "url": reverse("admin:alerts_alert_changelist"),
    }


def _title(delivery: Delivery) -> str:
    alert = delivery.alert
    title = str(alert.title)[:_MAX_TITLE_LENGTH]
    if alert.is_resolved:
        return f"{Notice.RESOLVED.label}: {title}"
    notice = "" if delivery.notice == Notice.OPENED else f"{delivery.get_notice_display()}: "
    return f"{notice}{AlertSeverity(alert.severity).label}: {title}"


def _place(alert: Alert) -> str:
    return " · ".join(part for part in (str(alert.robot or ""), _facility(alert)) if part)


def _facility(alert: Alert) -> str:
    return str(alert.robot.facility) if alert.robot is not None else ""


def _path_of(url: str) -> str:
    return url.removeprefix(settings.WEB_ORIGIN)
