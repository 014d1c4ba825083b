"""Channels, routes, silences and deliveries in the admin."""

from __future__ import annotations

from apps.alerts.admin.notifications.channels import NotificationChannelAdmin
from apps.alerts.admin.notifications.deliveries import DeliveryAdmin
from apps.alerts.admin.notifications.routes import NotificationRouteAdmin
from apps.alerts.admin.notifications.silences import SilenceAdmin

__all__ = [
    "DeliveryAdmin",
    "NotificationChannelAdmin",
    "NotificationRouteAdmin",
    "SilenceAdmin",
]
