"""Alerts, their timelines, and the rules that open them."""

from __future__ import annotations

from apps.alerts.models.alerts import Alert
from apps.alerts.models.events import AlertEvent
from apps.alerts.models.rules import AlertRule, AlertRuleState

__all__ = ["Alert", "AlertEvent", "AlertRule", "AlertRuleState"]
