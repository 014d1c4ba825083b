from __future__ import annotations

from typing import Self

from apps.maintenance.choices import MaintenanceStatus
from urfmp.common.querysets import RobotScopedQuerySet

CLOSED = (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED)


class MaintenanceTaskQuerySet(RobotScopedQuerySet):
    """Maintenance tasks of one organization."""

    def open(self) -> Self:
        """Leave out what is completed or cancelled."""
        return self.exclude(status__in=CLOSED)
