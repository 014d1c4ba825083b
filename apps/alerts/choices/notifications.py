from __future__ import annotations

from datetime import timedelta

from django.db import models

MAX_CHANNELS_PER_ORGANIZATION = 100
MAX_ROUTES_PER_ORGANIZATION = 100
MAX_STEPS_PER_ROUTE = 50
MAX_ADDRESSES_PER_CHANNEL = 100
MAX_ADDRESS_LENGTH = 255
MAX_PUSH_SUBSCRIPTIONS_PER_USER = 10
MAX_MINUTES = 7 * 24 * 60
MAX_GROUP_SECONDS = 3_600
MAX_SILENCE = timedelta(days=366)

# Waits between attempts; then the last one again, until `DELIVERY_LIFETIME` is over.
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1_800, 3_600, 10_800, 28_800, 86_400)
)
DELIVERY_LIFETIME = timedelta(hours=72)
# Longer than an attempt takes. A new sender takes over the leases of a dead one without waiting.
LEASE = timedelta(seconds=60)
MAX_REJECTED_ATTEMPTS = 3
MAX_UNFINISHED_ATTEMPTS = 3
DELIVERY_RETENTION = timedelta(days=90)
# How long a rotated webhook secret still signs beside the new one.
SECRET_OVERLAP = timedelta(hours=24)
# Open alerts are posted again to Alertmanager, which ends those that it no longer hears of.
REFRESH_INTERVAL = timedelta(minutes=2)
MAX_ALERTS_PER_POST = 500
ACKNOWLEDGE_LINK_LIFETIME = timedelta(hours=72)


class ChannelKind(models.TextChoices):
    """Way in which a channel sends."""

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"
    ALERTMANAGER = "alertmanager", "Alertmanager"
    WEB_PUSH = "web_push", "Push to browsers"


# Kinds whose deliveries go to users, with their preferences, and are grouped.
PERSONAL_KINDS = (ChannelKind.EMAIL, ChannelKind.WEB_PUSH)


class AuthScheme(models.TextChoices):
    """How a channel authenticates at Alertmanager."""

    NONE = "", "None"
    BASIC = "basic", "User name and password"
    BEARER = "bearer", "Bearer token"


class RouteHours(models.TextChoices):
    """Times at which a route applies."""

    ALWAYS = "always", "Always"
    WORKING = "working", "During working hours"
    OFF = "off", "Outside working hours"


class Notice(models.TextChoices):
    """Reason of a delivery."""

    OPENED = "opened", "Opened"
    WORSENED = "worsened", "More severe"
    ESCALATED = "escalated", "Escalated"
    REPEATED = "repeated", "Not acknowledged"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"
    REFRESHED = "refreshed", "Still open"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """State of a delivery."""

    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed, retried later"
    DEAD = "dead", "Dead letter"
    CANCELLED = "cancelled", "Cancelled"


# Notices that ask for someone to act, so that the alert's end is notified as well.
ASKING_NOTICES = (Notice.OPENED, Notice.WORSENED, Notice.ESCALATED, Notice.REPEATED)
# Notices that an acknowledgement makes unnecessary.
NAGGING_NOTICES = (Notice.ESCALATED, Notice.REPEATED)
PENDING_STATES = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED)
