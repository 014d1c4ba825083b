"""Alerts and their timelines."""

from __future__ import annotations

from apps.alerts.models.alerts import Alert
from apps.alerts.models.events import AlertEvent

__all__ = ["Alert", "AlertEvent"]
