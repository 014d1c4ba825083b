from __future__ import annotations

from typing import Self

from urfmp.common.tenancy.querysets import RobotScopedQuerySet


class AlertQuerySet(RobotScopedQuerySet):
    """Alerts of one organization."""

    def unresolved(self) -> Self:
        """Exclude resolved alerts."""
        return self.filter(is_resolved=False)


class AlertEventQuerySet(RobotScopedQuerySet):
    """Timelines of one organization's alerts."""

    robot_lookup = "alert__robot_id"
