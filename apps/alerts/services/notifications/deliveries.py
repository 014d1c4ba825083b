"""Send dead letters again, and delete old deliveries."""

from __future__ import annotations

from django.utils import timezone

from apps.alerts.choices.notifications import DELIVERY_RETENTION, DeliveryState
from apps.alerts.exceptions import DeliveryStateError
from apps.alerts.models import Delivery
from apps.alerts.services.notifications.wakeup import wake_sender
from apps.audit.services.audit_logs import audit_record
from urfmp.common.tenancy.context import audit_action

REPLAYABLE_STATES = (DeliveryState.DEAD, DeliveryState.CANCELLED)


def delivery_replay(delivery: Delivery) -> Delivery:
    """Send a dead letter or cancelled delivery again, under the same id.

    Its attempts start anew, so that it is retried for another 72 hours.

    Args:
        delivery: Delivery; its row is locked, so that of two requests one replays it.

    Raises:
        DeliveryStateError: The delivery is pending or delivered.
    """
    with audit_action("alerts.delivery.replay"):
        rows = Delivery.objects.select_for_update(of=("self",), no_key=True)
        delivery = rows.get(pk=delivery.pk)
        if delivery.state not in REPLAYABLE_STATES:
            raise DeliveryStateError
        delivery.state = DeliveryState.QUEUED
        delivery.due_at = timezone.now()
        delivery.attempts = delivery.unfinished_attempts = delivery.rejected_attempts = 0
        delivery.first_attempt_at = delivery.ended_at = delivery.batch_id = None
        delivery.held_reason = ""
        delivery.save(
            update_fields=[
                "state", "due_at", "attempts", "unfinished_attempts", "rejected_attempts",
                "first_attempt_at", "ended_at", "batch_id", "held_reason",
            ]
        )  # fmt: skip
        audit_record(
            action="alerts.delivery.replay",
            resource_type="delivery",
            resource_id=delivery.pk,
            request_data={"channel_id": str(delivery.channel_id)},
        )
        wake_sender()
    return delivery


def deliveries_clean_up() -> int:
    """Delete deliveries that ended 90 days ago; return their number."""
    limit = timezone.now() - DELIVERY_RETENTION
    removed, _ = Delivery.objects.filter(ended_at__lt=limit).delete()
    return int(removed)
