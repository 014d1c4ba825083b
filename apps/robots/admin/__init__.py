"""The robots app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.robots.admin import robots

__all__ = ["robots"]
