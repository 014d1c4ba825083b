"""Write deliveries in the transaction of an alert's change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from apps.alerts.choices.alerts import ALERTMANAGER_KEY_PREFIX, MAX_UNDO_AGE, AlertSeverity
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.choices.notifications import (
    ASKING_NOTICES,
    NAGGING_NOTICES,
    PENDING_STATES,
    PERSONAL_KINDS,
    REFRESH_INTERVAL,
    ChannelKind,
    DeliveryState,
    Notice,
)
from apps.alerts.models import (
    Alert,
    AlertEvent,
    Delivery,
    NotificationChannel,
    NotificationRoute,
    NotificationStep,
)
from apps.alerts.selectors.notifications import (
    Place,
    Recipient,
    alert_place,
    channel_recipients,
    matching_routes,
)
from apps.alerts.services.notifications.push import push_subscriptions_lock
from apps.alerts.services.notifications.wakeup import wake_sender
from urfmp.common.db.fields import TransactionTimestamp

_NOTICES: dict[str, Notice] = {
    AlertEventKind.OPENED: Notice.OPENED,
    AlertEventKind.REOPENED: Notice.OPENED,
    AlertEventKind.SEVERITY_RAISED: Notice.WORSENED,
}
_ACKNOWLEDGED_FIRST = "The alert was acknowledged first."
_UNSENT: dict[str, Any] = {"state__in": (DeliveryState.QUEUED, DeliveryState.FAILED), "attempts": 0}


def alert_event_notify(alert: Alert, event: AlertEvent) -> None:
    """Write the deliveries that an alert's event causes, in its transaction."""
    if event.kind in _NOTICES:
        _notify_routes(alert, _NOTICES[event.kind])
    elif event.kind == AlertEventKind.ACKNOWLEDGED:
        _notify_acknowledged(alert)
    elif event.kind == AlertEventKind.UNACKNOWLEDGED:
        _restore_cancelled(alert)
    elif event.kind == AlertEventKind.RESOLVED:
        _notify_resolved(alert)


def _notify_routes(alert: Alert, notice: Notice) -> None:
    """Write the deliveries of a new or more severe alert's routes.

    Steps that escalate get a delivery with a later time, which an acknowledgement cancels.

    Args:
        alert: Alert, in the transaction that changes it.
        notice: `OPENED` or `WORSENED`.
    """
    now = timezone.now()
    place = alert_place(alert)
    deliveries = [
        delivery
        for route in matching_routes(alert, place, alert.organization, now)
        for step in route.steps.all()
        if step.channel.is_enabled and not _comes_from(alert, step.channel)
        for delivery in _step_deliveries(alert, notice, route, step, place, now)
    ]
    if notice == Notice.WORSENED:
        deliveries = _without_pending(alert, deliveries)
    _group(deliveries, place)
    _store(_distinct(deliveries))


def _comes_from(alert: Alert, channel: NotificationChannel) -> bool:
    """Return whether an alert of Alertmanager would be sent back there."""
    is_received = alert.key.startswith(ALERTMANAGER_KEY_PREFIX)
    return bool(is_received and channel.kind == ChannelKind.ALERTMANAGER)


def _step_deliveries(
    alert: Alert,
    notice: Notice,
    route: NotificationRoute,
    step: NotificationStep,
    place: Place,
    now: datetime,
) -> Iterator[Delivery]:
    is_personal = step.channel.kind in PERSONAL_KINDS
    recipients = channel_recipients(step.channel) if is_personal else [Recipient("")]
    for recipient in recipients:
        delivery = Delivery(
            organization_id=alert.organization_id,
            channel=step.channel,
            route=route,
            alert=alert,
            user=recipient.user,
            address=recipient.address,
            subscription=recipient.subscription,
            notice=Notice.ESCALATED if step.after_minutes else notice,
            severity=alert.severity,
            due_at=now + timedelta(minutes=step.after_minutes),
        )
        if is_personal:
            delivery.group_key = _group_key(delivery, place.facility_id)
        elif step.channel.kind == ChannelKind.ALERTMANAGER:
            delivery.group_key = _group_key(delivery, None)
        yield delivery


def _group_key(delivery: Delivery, facility_id: UUID | None) -> str:
    receiver = delivery.subscription_id or delivery.address
    return f"{delivery.channel_id}:{receiver}:{facility_id or ''}"


def _without_pending(alert: Alert, deliveries: list[Delivery]) -> list[Delivery]:
    """Leave out escalations that an earlier notice has scheduled."""
    rows = Delivery.objects.filter(alert=alert, notice=Notice.ESCALATED, **_UNSENT)
    pending = set(rows.values_list("channel_id", "address", "subscription_id"))
    return [
        delivery
        for delivery in deliveries
        if delivery.notice != Notice.ESCALATED
        or (delivery.channel_id, delivery.address, delivery.subscription_id) not in pending
    ]


def _distinct(deliveries: list[Delivery]) -> list[Delivery]:
    """Return one delivery for each channel, recipient and notice: the earliest."""
    found: dict[tuple[UUID, str, UUID | None, str], Delivery] = {}
    for delivery in deliveries:
        receiver = (delivery.channel_id, delivery.address, delivery.subscription_id)
        key = (*receiver, delivery.notice)
        if key not in found or delivery.due_at < found[key].due_at:
            found[key] = delivery
    return list(found.values())


def _group(deliveries: Iterable[Delivery], place: Place) -> None:
    """Let messages wait for further alerts, and keep their interval."""
    grouped = [
        delivery
        for delivery in deliveries
        if delivery.group_key and delivery.channel.kind in PERSONAL_KINDS
    ]
    rows = Delivery.objects.filter(
        group_key__in={delivery.group_key for delivery in grouped}, attempts__gt=0
    )
    sent = dict(rows.values_list("group_key").annotate(last=Max("first_attempt_at")).order_by())
    for delivery in grouped:
        route = delivery.route
        wait = timedelta(seconds=route.group_wait_seconds)
        interval = timedelta(seconds=route.group_interval_seconds)
        if delivery.severity == AlertSeverity.CRITICAL:
            wait, interval = timedelta(0), wait
        last = sent.get(delivery.group_key)
        delivery.due_at = max(delivery.due_at + wait, last + interval if last else delivery.due_at)


def _notify_acknowledged(alert: Alert) -> None:
    """Cancel an acknowledged alert's escalations and reminders; notify its webhooks."""
    _cancel(alert, _ACKNOWLEDGED_FIRST, notice__in=NAGGING_NOTICES)
    told = _told(alert).filter(channel__kind=ChannelKind.WEBHOOK)
    _store(_follow_up(alert, Notice.ACKNOWLEDGED, told))


def _restore_cancelled(alert: Alert) -> None:
    """Restore the escalations and reminders that an undone acknowledgement has cancelled."""
    restored = Delivery.objects.filter(
        alert=alert,
        notice__in=NAGGING_NOTICES,
        state=DeliveryState.CANCELLED,
        held_reason=_ACKNOWLEDGED_FIRST,
        ended_at__gte=timezone.now() - MAX_UNDO_AGE,
    ).update(state=DeliveryState.QUEUED, held_reason="", ended_at=None)
    if restored:
        wake_sender()


def _notify_resolved(alert: Alert) -> None:
    """Cancel unsent deliveries, and notify the recipients of sent ones."""
    _cancel(alert, "The alert was resolved first.")
    deliveries = _follow_up(alert, Notice.RESOLVED, _told(alert))
    _group(deliveries, alert_place(alert))
    _store(deliveries)


def _told(alert: Alert) -> Any:
    """Return deliveries since the last resolution that may have arrived.

    A failed one may have arrived as well, if its answer was lost.
    """
    rows = Delivery.objects.filter(alert=alert)
    resolved = rows.filter(notice=Notice.RESOLVED).aggregate(last=Max("created_at"))["last"]
    told = rows.filter(notice__in=ASKING_NOTICES, attempts__gt=0)
    return told.filter(created_at__gt=resolved) if resolved else told


def _cancel(alert: Alert, reason: str, **conditions: Any) -> None:
    unsent = Delivery.objects.filter(alert=alert, **_UNSENT, **conditions)
    # An alert that opens and ends in one transaction, as late points can cause, leaves no trace.
    unsent.filter(created_at=TransactionTimestamp()).delete()
    unsent.update(state=DeliveryState.CANCELLED, held_reason=reason, ended_at=timezone.now())


def _follow_up(alert: Alert, notice: Notice, told: Any) -> list[Delivery]:
    rows = told.filter(channel__is_enabled=True).select_related("channel", "route", "user")
    return _distinct(
        [
            Delivery(
                organization_id=alert.organization_id,
                channel=row.channel,
                route=row.route,
                alert=alert,
                user=row.user,
                address=row.address,
                subscription_id=row.subscription_id,
                group_key=row.group_key if row.route is not None else "",
                notice=notice,
                severity=alert.severity,
                due_at=timezone.now(),
            )
            for row in rows.order_by("created_at")
        ]
    )


def repeat_schedule(delivered: Iterable[Delivery], now: datetime) -> None:
    """Schedule the next reminders of alerts that are not acknowledged.

    Args:
        delivered: Deliveries of one attempt, with their route and alert.
        now: Time of the attempt.
    """
    _store(
        [
            Delivery(
                organization_id=row.organization_id,
                channel_id=row.channel_id,
                route=row.route,
                alert=row.alert,
                user_id=row.user_id,
                address=row.address,
                subscription_id=row.subscription_id,
                group_key=row.group_key,
                notice=Notice.REPEATED,
                severity=row.alert.severity,
                due_at=now + timedelta(minutes=row.route.repeat_minutes),
            )
            for row in delivered
            if _is_repeated(row)
        ]
    )


def _is_repeated(row: Delivery) -> bool:
    if row.notice not in ASKING_NOTICES or row.route is None or row.alert is None:
        return False
    if row.channel.kind == ChannelKind.ALERTMANAGER:
        return False  # it repeats by itself
    is_open = not row.alert.is_acknowledged and not row.alert.is_resolved
    return bool(is_open and row.route.is_enabled and row.route.repeat_minutes)


def refresh_schedule(delivered: Iterable[Delivery], now: datetime) -> None:
    """Schedule the next request to Alertmanager about alerts that are open.

    Args:
        delivered: Deliveries of one attempt, with their channel and alert.
        now: Time of the attempt.
    """
    rows = {
        (row.alert.pk, row.channel_id): row
        for row in delivered
        if row.channel.kind == ChannelKind.ALERTMANAGER
        and row.notice in ASKING_NOTICES
        and row.alert is not None
        and not row.alert.is_resolved
    }
    pending = Delivery.objects.filter(
        alert__in=[alert_id for alert_id, _ in rows],
        notice=Notice.REFRESHED,
        state__in=PENDING_STATES,
    )
    known = set(pending.values_list("alert_id", "channel_id")) if rows else set()
    _store(
        [
            Delivery(
                organization_id=row.organization_id,
                channel_id=row.channel_id,
                route=row.route,
                alert=row.alert,
                group_key=row.group_key,
                notice=Notice.REFRESHED,
                severity=row.alert.severity,
                due_at=now + REFRESH_INTERVAL,
            )
            for key, row in rows.items()
            if key not in known
        ]
    )


def _store(deliveries: list[Delivery]) -> None:
    """Store deliveries, except those to browsers that have just been unsubscribed."""
    subscribed = push_subscriptions_lock(
        {one.subscription_id for one in deliveries if one.subscription_id}
    )
    deliveries = [
        one for one in deliveries if not one.subscription_id or one.subscription_id in subscribed
    ]
    if deliveries:
        Delivery.objects.bulk_create(deliveries)
        wake_sender()
