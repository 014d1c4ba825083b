"""The alerts app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.alerts.admin import alerts, notifications, rules

__all__ = ["alerts", "notifications", "rules"]
