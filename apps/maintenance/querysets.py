from __future__ import annotations

from typing import Self

from apps.maintenance.choices import MaintenanceStatus
from urfmp.common.tenancy.querysets import RobotScopedQuerySet

CLOSED = (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED)
# Named one by one, they are found by the index.
OPEN = tuple(status for status in MaintenanceStatus if status not in CLOSED)


class MaintenanceTaskQuerySet(RobotScopedQuerySet):
    """Maintenance tasks of one organization."""

    def open(self) -> Self:
        """Leave out what is completed or cancelled."""
        return self.filter(status__in=OPEN)
