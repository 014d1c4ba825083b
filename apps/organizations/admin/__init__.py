"""The organizations app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.organizations.admin import facilities, organizations, platform

__all__ = ["facilities", "organizations", "platform"]
