from __future__ import annotations

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class TelemetryBatchQuerySet(OrganizationScopedQuerySet):
    """What one organization's senders stored lately; read by workers and selectors, not people."""


class TelemetryLatestQuerySet(RobotScopedQuerySet):
    """The newest points of one organization's robots, as far as they are rolled up."""
