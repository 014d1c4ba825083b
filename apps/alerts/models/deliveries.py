"""Deliveries: the outbox of notifications, and the log of what was sent."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, When

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.choices.notifications import PENDING_STATES, DeliveryState, Notice
from apps.alerts.querysets import DeliveryQuerySet
from urfmp.common.db.fields import (
    TransactionTimestamp,
    choices_check,
    organization_fk,
    unconstrained_fk,
    uuid_primary_key,
)
from urfmp.common.tenancy.models import TenantModel

# Critical alerts have threads of their own, so that nothing else holds them up.
CRITICAL_LANE = 0
COMMON_LANE = 1


class Delivery(TenantModel):
    """A notice of an alert to a receiver.

    Receivers are webhooks, Alertmanager, browsers and recipients of e-mails. Written in the
    transaction of the alert's change; the sender leases it. Its id stays the same in all attempts.
    E-mails and push messages of a group share a message, whose id is the batch, and so do requests
    to Alertmanager. One delivery of each open alert is sent to Alertmanager again and again, until
    the alert ends. Kept for 90 days.

    Attributes:
        severity: Severity of the alert when the notice was written.
        address: Recipient of an e-mail or push message; empty for a webhook.
        subscription: Browser that a push message is sent to; NULL once its subscription ended.
        user: User with this address, if the organization has one.
        group_key: Deliveries with the same key may share a message; empty for none.
        due_at: Time of the next attempt; while sending, the end of the lease.
        attempts: Attempts that were started.
        unfinished_attempts: The latest attempts in a row whose worker ended before the result.
        rejected_attempts: The latest attempts in a row with an answer that a retry cannot change.
        lease_id: Run of the sender that holds the delivery.
        held_reason: Why the delivery waits although it was due.
    """

    id = uuid_primary_key()
    organization = organization_fk()
    channel = unconstrained_fk("alerts.NotificationChannel", on_delete=models.DO_NOTHING)
    route = unconstrained_fk(
        "alerts.NotificationRoute", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    alert = unconstrained_fk("alerts.Alert", null=True, blank=True, on_delete=models.DO_NOTHING)
    user = unconstrained_fk("accounts.User", null=True, blank=True)
    subscription = unconstrained_fk(
        "alerts.PushSubscription", null=True, blank=True, on_delete=models.DO_NOTHING
    )
    notice = models.CharField(max_length=20, choices=Notice)
    severity = models.CharField(max_length=20, choices=AlertSeverity)
    lane = models.GeneratedField(
        expression=Case(
            When(severity=AlertSeverity.CRITICAL, then=CRITICAL_LANE), default=COMMON_LANE
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    address = models.CharField(max_length=255, blank=True, default="", db_default="")
    group_key = models.CharField(max_length=500, blank=True, default="", db_default="")
    state = models.CharField(
        max_length=20,
        choices=DeliveryState,
        default=DeliveryState.QUEUED,
        db_default=DeliveryState.QUEUED,
    )
    due_at = models.DateTimeField(db_default=TransactionTimestamp())
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    unfinished_attempts = models.PositiveIntegerField(default=0, db_default=0)
    rejected_attempts = models.PositiveIntegerField(default=0, db_default=0)
    lease_id = models.UUIDField(null=True, blank=True)
    batch_id = models.UUIDField(null=True, blank=True)
    held_reason = models.TextField(blank=True, default="", db_default="")
    response_code = models.PositiveIntegerField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField("latency, ms", null=True, blank=True)
    last_error = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=TransactionTimestamp(), editable=False)
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "notification_deliveries"
        ordering = ("-created_at", "id")
        verbose_name_plural = "deliveries"
        constraints = (
            choices_check("notification_deliveries", "notice", Notice),
            choices_check("notification_deliveries", "severity", AlertSeverity),
            choices_check("notification_deliveries", "state", DeliveryState),
        )
        indexes = (
            models.Index(
                fields=("organization", "lane", "due_at"),
                condition=models.Q(state__in=PENDING_STATES),
                name="idx_deliveries_pending",
            ),
            models.Index(
                fields=("organization", "group_key", "ended_at"), name="idx_deliveries_group"
            ),
            models.Index(fields=("organization", "-created_at"), name="idx_deliveries_created"),
            models.Index(fields=("channel", "-created_at"), name="idx_deliveries_channel"),
            models.Index(fields=("alert",), name="idx_deliveries_alert"),
            models.Index(fields=("route",), name="idx_deliveries_route"),
            models.Index(fields=("user",), name="idx_deliveries_user"),
            models.Index(fields=("subscription",), name="idx_deliveries_subscription"),
            models.Index(fields=("batch_id",), name="idx_deliveries_batch"),
        )

    def __str__(self) -> str:
        return f"{self.get_notice_display()}: {self.alert or 'test'}"
