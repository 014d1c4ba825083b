"""Alerts, their timelines, the rules that open them, and notifications."""

from __future__ import annotations

from apps.alerts.models.alerts import Alert
from apps.alerts.models.channels import NotificationChannel
from apps.alerts.models.deliveries import Delivery
from apps.alerts.models.events import AlertEvent
from apps.alerts.models.preferences import NotificationPreference
from apps.alerts.models.push import PushKey, PushSubscription
from apps.alerts.models.routes import NotificationRoute, NotificationStep
from apps.alerts.models.rules import AlertRule, AlertRuleState
from apps.alerts.models.silences import Silence

__all__ = [
    "Alert",
    "AlertEvent",
    "AlertRule",
    "AlertRuleState",
    "Delivery",
    "NotificationChannel",
    "NotificationPreference",
    "NotificationRoute",
    "NotificationStep",
    "PushKey",
    "PushSubscription",
    "Silence",
]
