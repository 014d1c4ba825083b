"""The robots app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.robots.admin import commands, robots

__all__ = ["commands", "robots"]
