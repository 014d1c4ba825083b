"""The maintenance app's admin pages; importing a module registers its pages."""

from __future__ import annotations

from apps.maintenance.admin import parts, schedules, tasks, templates, work_requests

__all__ = ["parts", "schedules", "tasks", "templates", "work_requests"]
