"""Decide whether a due delivery is sent, waits or is cancelled.

The sender asks before each attempt, so that a silence, an acknowledgement or a preference counts
that did not exist when the delivery was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.notifications import (
    ASKING_NOTICES,
    DELIVERY_LIFETIME,
    MAX_UNFINISHED_ATTEMPTS,
    NAGGING_NOTICES,
    ChannelKind,
    DeliveryState,
    Notice,
)
from apps.alerts.models import Alert, Delivery, NotificationPreference, Silence
from apps.alerts.selectors.notifications import (
    Place,
    active_silence,
    alert_place,
    is_wanted,
    preferences_of,
    quiet_end,
)
from urfmp.common.rendering.formats import format_datetime
from urfmp.common.time.zones import zone_or_utc

_MAINTENANCE_CHECK = timedelta(minutes=5)
_DISABLED_CHECK = timedelta(minutes=5)


@dataclass(frozen=True)
class Decision:
    """What happens to a delivery instead of an attempt.

    Attributes:
        state: New state; `QUEUED` to wait.
        reason: Sentence for the delivery log.
        due_at: Time until which it waits.
    """

    state: DeliveryState
    reason: str
    due_at: datetime | None = None


class HoldPolicy:
    """The silences, preferences and places of one claim of an organization."""

    def __init__(self, deliveries: list[Delivery], now: datetime) -> None:
        """Read silences and preferences; two queries."""
        self._now = now
        self._silences = list(Silence.objects.filter(starts_at__lte=now, ends_at__gt=now))
        users = {row.user_id for row in deliveries if row.user_id is not None}
        self._preferences = preferences_of(users) if users else {}
        self._places: dict[tuple[UUID | None, str], Place] = {}

    def place(self, alert: Alert) -> Place:
        """Return the place of an alert, read once for each facility."""
        key = (alert.organization_id, alert.robot.facility if alert.robot is not None else "")
        if key not in self._places:
            self._places[key] = alert_place(alert)
        return self._places[key]

    def decide(self, delivery: Delivery) -> Decision | None:
        """Return the decision about a delivery, or None to send it."""
        return (
            self._end(delivery)
            or self._cancellation(delivery)
            or (self._hold(delivery) if delivery.alert is not None else None)
        )

    def _end(self, delivery: Delivery) -> Decision | None:
        if delivery.unfinished_attempts >= MAX_UNFINISHED_ATTEMPTS:
            reason = f"The worker ended {delivery.unfinished_attempts} times while it sent this."
            return Decision(DeliveryState.DEAD, reason)
        is_refresh = delivery.notice == Notice.REFRESHED
        if is_refresh and not delivery.channel.is_enabled and not delivery.alert.is_resolved:
            reason = "The channel is disabled."
            return Decision(DeliveryState.QUEUED, reason, self._now + _DISABLED_CHECK)
        if not delivery.channel.is_enabled:
            return Decision(DeliveryState.DEAD, "The channel is disabled.")
        first = delivery.first_attempt_at
        if is_refresh:
            return None
        if first is not None and self._now - first > DELIVERY_LIFETIME:
            return Decision(DeliveryState.DEAD, "All attempts within 72 hours failed.")
        return None

    def _cancellation(self, delivery: Delivery) -> Decision | None:
        reason = ""
        alert, user = delivery.alert, delivery.user
        if user is not None and not user.is_active:
            reason = "The user is not active any more."
        elif delivery.channel.kind == ChannelKind.WEB_PUSH and not _is_subscribed(delivery):
            reason = "The browser is not subscribed any more."
        elif alert is None:
            return None
        elif delivery.notice in NAGGING_NOTICES and (alert.is_acknowledged or alert.is_resolved):
            reason = "The alert was acknowledged or resolved first."
        elif user is not None and not is_wanted(self._preference(delivery), delivery.severity):
            reason = "The user does not want messages of this severity."
        return Decision(DeliveryState.CANCELLED, reason) if reason else None

    def _preference(self, delivery: Delivery) -> NotificationPreference | None:
        return self._preferences.get(delivery.user_id) if delivery.user_id else None

    def _hold(self, delivery: Delivery) -> Decision | None:
        alert, now = delivery.alert, self._now
        if delivery.notice in ASKING_NOTICES:
            place = self.place(alert)
            silence = active_silence(self._silences, alert, place.facility_id, now)
            if silence is not None:
                reason = f"Silenced until {_time(silence.ends_at)}: {silence.reason}"
                return Decision(DeliveryState.QUEUED, reason, silence.ends_at)
            if alert.snoozed_until is not None and alert.snoozed_until > now:
                reason = f"The alert is snoozed until {_time(alert.snoozed_until)}."
                return Decision(DeliveryState.QUEUED, reason, alert.snoozed_until)
            if _is_in_maintenance(alert) and delivery.severity != AlertSeverity.CRITICAL:
                reason = "The robot is in maintenance."
                return Decision(DeliveryState.QUEUED, reason, now + _MAINTENANCE_CHECK)
        preference, user = self._preference(delivery), delivery.user
        if preference is None or user is None or delivery.severity == AlertSeverity.CRITICAL:
            return None
        zone = zone_or_utc(user.effective_timezone)
        end = quiet_end(preference.quiet_from, preference.quiet_until, now, zone)
        if end is None:
            return None
        return Decision(DeliveryState.QUEUED, f"Quiet hours until {_time(end)}.", end)


def _is_subscribed(delivery: Delivery) -> bool:
    """Return whether the subscription of a delivery's browser is active."""
    subscription, user = delivery.subscription, delivery.user
    if subscription is None or user is None:
        return False
    reset_at = user.trusted_devices_reset_at
    return bool(reset_at is None or subscription.created_at > reset_at)


def _is_in_maintenance(alert: Alert) -> bool:
    return alert.robot is not None and alert.robot.maintenance_locked_at is not None


def _time(moment: datetime) -> str:
    with timezone.override("UTC"):
        return f"{format_datetime(moment)} UTC"
