"""Maintenance tasks."""

from __future__ import annotations

from apps.maintenance.models.tasks import MaintenanceTask

__all__ = ["MaintenanceTask"]
