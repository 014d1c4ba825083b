"""The alerts app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.alerts.admin import alerts, notifications, robot_marks, rules

__all__ = ["alerts", "notifications", "robot_marks", "rules"]
