from __future__ import annotations

from typing import Self

from apps.maintenance.choices import OPEN_STATUSES
from urfmp.common.tenancy.querysets import RobotScopedQuerySet


class MaintenanceTaskQuerySet(RobotScopedQuerySet):
    """Maintenance tasks of one organization."""

    def open(self) -> Self:
        """Exclude completed and cancelled tasks."""
        return self.filter(status__in=OPEN_STATUSES)
