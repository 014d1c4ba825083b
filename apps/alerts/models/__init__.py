"""Alerts."""

from __future__ import annotations

from apps.alerts.models.alerts import Alert

__all__ = ["Alert"]
