"""Store the result of an attempt, and schedule the next one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.alerts.choices.notifications import (
    DELIVERY_LIFETIME,
    LEASE,
    MAX_REJECTED_ATTEMPTS,
    REFRESH_INTERVAL,
    RETRY_DELAYS,
    ChannelKind,
    DeliveryState,
    Notice,
)
from apps.alerts.models import Delivery
from apps.alerts.services.notifications.attempts import AttemptResult
from apps.alerts.services.notifications.channels import channel_disable
from apps.alerts.services.notifications.outbox import refresh_schedule, repeat_schedule
from apps.alerts.services.notifications.push import push_expire


def result_store(
    ids: Sequence[UUID],
    lease_id: UUID,
    result: AttemptResult,
    *,
    retry_delays: Sequence[timedelta] = RETRY_DELAYS,
) -> None:
    """Store the result of an attempt for the deliveries of its message.

    Nothing is stored for deliveries that another sender has leased meanwhile.

    Args:
        ids: Deliveries of the message.
        lease_id: Lease under which the message was sent.
        result: Result of the attempt.
        retry_delays: Waits between attempts.
    """
    now = timezone.now()
    rows = Delivery.objects.select_for_update(of=("self",), no_key=True)
    leased = list(
        rows.filter(pk__in=ids, lease_id=lease_id, state=DeliveryState.SENDING)
        .select_related("channel", "route", "alert")
        .order_by("pk")
    )
    for delivery in leased:
        changes = _next_state(delivery, result, now, retry_delays)
        Delivery.objects.filter(pk=delivery.pk).update(
            response_code=result.code,
            latency_ms=result.milliseconds,
            last_error=result.error,
            unfinished_attempts=0,
            lease_id=None,
            **changes,
        )
    if result.is_delivered:
        repeat_schedule(leased, now)
        refresh_schedule(leased, now)
    if result.is_gone and leased and leased[0].channel.kind == ChannelKind.WEB_PUSH:
        if leased[0].subscription_id is not None:
            push_expire(leased[0].subscription_id)
    elif result.is_gone and leased and leased[0].channel.is_enabled:
        reason = "The receiver answered 410 (Gone). Enter its new URL and enable the channel."
        channel_disable(leased[0].channel, reason)


def _next_state(
    delivery: Delivery, result: AttemptResult, now: datetime, retry_delays: Sequence[timedelta]
) -> dict[str, Any]:
    """Return the columns of a delivery after an attempt.

    It is delivered or dead, or `failed` until the next attempt.
    """
    if result.is_delivered and (repetition := _repetition(delivery, now)):
        return repetition
    if result.is_delivered:
        return {"state": DeliveryState.DELIVERED, "ended_at": now, "held_reason": ""}
    rejected = delivery.rejected_attempts + 1 if result.is_rejected else 0
    wait = max(
        retry_delay(delivery.attempts, retry_delays),
        timedelta(seconds=result.retry_after_seconds),
    )
    if delivery.channel.kind == ChannelKind.ALERTMANAGER:
        wait = min(wait, REFRESH_INTERVAL)  # what it gets is the state at that time
    first = delivery.first_attempt_at or now
    is_over = delivery.notice != Notice.REFRESHED and now + wait > first + DELIVERY_LIFETIME
    if result.is_gone or rejected >= MAX_REJECTED_ATTEMPTS or is_over:
        return {"state": DeliveryState.DEAD, "rejected_attempts": rejected, "ended_at": now}
    return {
        "state": DeliveryState.FAILED,
        "rejected_attempts": rejected,
        "due_at": now + wait,
    }


def _repetition(delivery: Delivery, now: datetime) -> dict[str, Any]:
    """Return the changes that post to Alertmanager again, if needed."""
    alert = delivery.alert
    if delivery.channel.kind != ChannelKind.ALERTMANAGER or alert is None:
        return {}
    if not alert.is_resolved:
        if delivery.notice != Notice.REFRESHED:
            return {}
        due_at = now + REFRESH_INTERVAL
    elif delivery.notice == Notice.RESOLVED or alert.resolved_at < delivery.due_at - LEASE:
        return {}
    else:
        due_at = now  # resolved while it was sent: the end may have arrived first
    return {
        "state": DeliveryState.QUEUED,
        "due_at": due_at,
        "created_at": now,
        "attempts": 0,
        "rejected_attempts": 0,
        "first_attempt_at": None,
        "batch_id": None,
    }


def retry_delay(attempts: int, delays: Sequence[timedelta] = RETRY_DELAYS) -> timedelta:
    """Return the wait after an attempt, spread at random.

    Args:
        attempts: Number of attempts so far, at least 1.
        delays: Waits in order; the last one repeats.
    """
    longest = delays[min(attempts, len(delays)) - 1]
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
