"""The alerts app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.alerts.admin import alerts

__all__ = ["alerts"]
