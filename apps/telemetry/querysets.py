from __future__ import annotations

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class TelemetryBatchQuerySet(OrganizationScopedQuerySet):
    """Pending work of an organization; read by workers and selectors only."""


class TelemetryLatestQuerySet(RobotScopedQuerySet):
    """The newest rolled-up points of an organization's robots."""
