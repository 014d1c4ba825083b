from __future__ import annotations

from typing import Self

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class AlertQuerySet(RobotScopedQuerySet):
    """Alerts of one organization."""

    def unresolved(self) -> Self:
        """Exclude resolved alerts."""
        return self.filter(is_resolved=False)


class AlertEventQuerySet(RobotScopedQuerySet):
    """Timelines of one organization's alerts."""

    robot_lookup = "alert__robot_id"


class AlertRuleQuerySet(OrganizationScopedQuerySet):
    """Alert rules; API keys bound to a robot see none."""

    def enabled(self) -> Self:
        """Exclude disabled rules."""
        return self.filter(is_enabled=True)


class AlertRuleStateQuerySet(RobotScopedQuerySet):
    """States of one organization's rules."""
