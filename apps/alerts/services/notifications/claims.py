"""Lease due deliveries and render their messages."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.alerts.choices.notifications import (
    LEASE,
    MAX_ALERTS_PER_POST,
    NAGGING_NOTICES,
    ChannelKind,
    DeliveryState,
    Notice,
)
from apps.alerts.models import Delivery
from apps.alerts.services.notifications.holds import Decision, HoldPolicy
from apps.alerts.services.notifications.messages import Message, render_message
from urfmp.common.security.field_encryption import DecryptionError

logger = logging.getLogger(__name__)

_DECRYPTION_ADVICE = {
    ChannelKind.WEBHOOK: "Rotate the channel's signing secret.",
    ChannelKind.ALERTMANAGER: "Enter the channel's password or token again.",
    ChannelKind.WEB_PUSH: "The user can turn push messages off and on again.",
}

# Due deliveries, at most some of each channel. Of those whose worker ended only one is sent at a
# time, whatever the channel: a message that ends the worker then counts against itself alone.
_DUE = """
    WITH due AS (
        SELECT id, channel_id, due_at, unfinished_attempts, unfinished_attempts > 0 AS is_suspect
        FROM notification_deliveries
        WHERE lane = %(lane)s AND state IN ('queued', 'failed', 'sending')
          AND (due_at <= clock_timestamp() OR (state = 'sending' AND lease_id <> %(lease)s))
          AND id <> ALL (%(leased)s::uuid[])
    ), numbered AS (
        SELECT *, row_number() OVER (
            PARTITION BY is_suspect, CASE WHEN NOT is_suspect THEN channel_id END
            ORDER BY unfinished_attempts, due_at, id
        ) AS number
        FROM due
    )
    SELECT d.id FROM notification_deliveries AS d
    JOIN numbered AS n USING (id)
    WHERE (n.is_suspect AND n.number = 1 AND %(takes_suspect)s)
       OR (NOT n.is_suspect AND n.number <= %(per_channel)s
           - coalesce((%(busy)s::jsonb ->> d.channel_id::text)::int, 0))
    ORDER BY n.due_at, d.id
    LIMIT %(limit)s
    FOR UPDATE OF d SKIP LOCKED
"""


@dataclass(frozen=True)
class Leased:
    """A message to send, and the deliveries that it delivers.

    Attributes:
        organization_id: Organization of the deliveries.
        channel_id: Their channel.
        ids: Their ids.
        is_suspect: Whether a worker ended while it sent them.
        message: Rendered message.
    """

    organization_id: UUID
    channel_id: UUID
    ids: list[UUID]
    is_suspect: bool
    message: Message


@dataclass(frozen=True)
class Capacity:
    """What a sender can take.

    Attributes:
        messages: Number of messages.
        per_channel: Maximum number of messages of a channel at the same time.
        busy: Number of messages of each channel that are being sent.
        takes_suspect: Whether no suspect is being sent.
        leased: Deliveries that are being sent.
    """

    messages: int
    per_channel: int
    busy: dict[str, int]
    takes_suspect: bool
    leased: Collection[UUID]


def deliveries_claim(lane: int, lease_id: UUID, capacity: Capacity) -> list[Leased]:
    """Lease due deliveries of the open organization, and render their messages.

    The start of each attempt is counted before the message leaves, so that one that ends the worker
    is noticed. Deliveries that must wait, or are no longer needed, are updated instead.

    Args:
        lane: Lane of the deliveries.
        lease_id: Run of the sender; leases of other runs are taken over.
        capacity: What the sender can take.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, _due_values(lane, lease_id, capacity))
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return []
    rows = _rows(ids, capacity.leased)
    now = timezone.now()
    policy = HoldPolicy(rows, now)
    batches: dict[Any, list[Delivery]] = {}
    for row in rows:
        decision = policy.decide(row)
        if decision is not None:
            _apply(row, decision)
        else:
            # Deliveries that shared a message share it in each attempt.
            batches.setdefault(row.batch_id or row.group_key or row.pk, []).append(row)
    return [
        leased
        for batch in batches.values()
        for part in _parts(batch)
        if (leased := _lease(part, lease_id, policy)) is not None
    ]


def _parts(batch: list[Delivery]) -> list[list[Delivery]]:
    """Return the parts of a batch that fit into a request."""
    if batch[0].channel.kind != ChannelKind.ALERTMANAGER:
        return [batch]
    size = MAX_ALERTS_PER_POST
    return [batch[start : start + size] for start in range(0, len(batch), size)]


def _due_values(lane: int, lease_id: UUID, capacity: Capacity) -> dict[str, Any]:
    return {
        "lane": lane,
        "lease": lease_id,
        "leased": list(capacity.leased),
        "takes_suspect": capacity.takes_suspect,
        "per_channel": capacity.per_channel,
        "busy": connection.ops.adapt_json_value(capacity.busy, None),
        "limit": capacity.messages,
    }


def _rows(ids: list[UUID], leased: Collection[UUID]) -> list[Delivery]:
    """Return due deliveries and those that share their message, locked."""
    rows = Delivery.objects.exclude(pk__in=leased).select_for_update(
        of=("self",), no_key=True, skip_locked=True
    )
    due = Delivery.objects.filter(pk__in=ids)
    keys = set(due.filter(attempts=0).exclude(group_key="").values_list("group_key", flat=True))
    batches = set(due.filter(batch_id__isnull=False).values_list("batch_id", flat=True))
    pending = (DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.SENDING)
    now = timezone.now()
    shared = Q(batch_id__in=batches, state__in=pending)
    # Escalations, reminders and repetitions keep their own time.
    joining = Q(group_key__in=keys, attempts=0, state=DeliveryState.QUEUED, held_reason="")
    timed = (*NAGGING_NOTICES, Notice.REFRESHED)
    joining &= ~Q(notice__in=timed) | Q(due_at__lte=now)
    return list(
        rows.filter(Q(pk__in=ids) | shared | joining)
        .select_related("channel__organization", "alert__robot", "alert__organization", "user")
        .select_related("user__organization", "subscription")
        .order_by("created_at", "pk")
    )


def _apply(row: Delivery, decision: Decision) -> None:
    if decision.state == DeliveryState.QUEUED:
        # A failed delivery stays one that failed.
        kept = {} if row.attempts else {"state": DeliveryState.QUEUED}
        values = {**kept, "held_reason": decision.reason, "due_at": decision.due_at}
    else:
        field = "last_error" if decision.state == DeliveryState.DEAD else "held_reason"
        values = {"state": decision.state, field: decision.reason, "ended_at": timezone.now()}
    Delivery.objects.filter(pk=row.pk).update(lease_id=None, **values)


def _lease(batch: list[Delivery], lease_id: UUID, policy: HoldPolicy) -> Leased | None:
    lead = batch[0]
    ids = [row.pk for row in batch]
    now = timezone.now()
    lead.batch_id = lead.batch_id or lead.pk
    places = {row.alert.pk: policy.place(row.alert) for row in batch if row.alert is not None}
    try:
        with transaction.atomic():
            message = render_message(batch, places)
    except DecryptionError as error:
        reason = f"{error} {_DECRYPTION_ADVICE.get(lead.channel.kind, '')}".rstrip()
        _mark_dead(batch, reason)
        return None
    except Exception:
        # A message that cannot be rendered must not hold up the others.
        logger.exception("Delivery %s cannot be rendered.", lead.pk)
        _mark_dead(batch, "The message cannot be rendered, see the worker's log.")
        return None
    Delivery.objects.filter(pk__in=ids).update(
        state=DeliveryState.SENDING,
        lease_id=lease_id,
        batch_id=lead.batch_id,
        attempts=F("attempts") + 1,
        unfinished_attempts=F("unfinished_attempts") + 1,
        due_at=now + LEASE,
        held_reason="",
    )
    Delivery.objects.filter(pk__in=ids, first_attempt_at__isnull=True).update(first_attempt_at=now)
    is_suspect = any(row.unfinished_attempts for row in batch)
    return Leased(lead.organization_id, lead.channel_id, ids, is_suspect, message)


def _mark_dead(batch: Iterable[Delivery], reason: str) -> None:
    for row in batch:
        _apply(row, Decision(DeliveryState.DEAD, reason))


def organizations_with_due_deliveries(lease_id: UUID) -> list[tuple[UUID, float]]:
    """Return organizations with pending deliveries, and the seconds until due.

    Needs no tenant transaction.

    Args:
        lease_id: Run of the sender; deliveries that another run is sending are due at once.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT organization_id, seconds FROM notification_organizations(%s)", [lease_id]
        )
        return [(row[0], float(row[1])) for row in cursor.fetchall()]
