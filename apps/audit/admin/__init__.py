"""The audit app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.audit.admin import audit_logs

__all__ = ["audit_logs"]
