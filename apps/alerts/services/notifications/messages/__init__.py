"""Render deliveries as requests, e-mails and push messages."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from apps.alerts.choices.notifications import ChannelKind
from apps.alerts.models import Delivery
from apps.alerts.selectors.notifications import Place
from apps.alerts.services.notifications.attempts import AttemptResult
from apps.alerts.services.notifications.messages.emails import email_message
from apps.alerts.services.notifications.messages.push import push_message
from apps.alerts.services.notifications.messages.webhooks import (
    alertmanager_message,
    webhook_message,
)


class Message(Protocol):
    """A rendered message, which is sent without the database."""

    def send(self) -> AttemptResult:
        """Send the message and return the result; never raises."""


def render_message(batch: list[Delivery], places: dict[UUID, Place]) -> Message:
    """Return the message of deliveries that share it.

    Args:
        batch: Deliveries with channel, alert, robot and user, and the same `batch_id`.
        places: Place of each alert by its id.
    """
    kind = batch[0].channel.kind
    if kind == ChannelKind.WEBHOOK:
        return webhook_message(batch[0])
    if kind == ChannelKind.ALERTMANAGER:
        return alertmanager_message(batch)
    if kind == ChannelKind.WEB_PUSH:
        return push_message(batch)
    return email_message(batch, places)
