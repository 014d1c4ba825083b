from __future__ import annotations

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet, RobotScopedQuerySet


class TelemetryBatchQuerySet(OrganizationScopedQuerySet):
    """Pending work of an organization; read by workers and selectors only."""


class TelemetryLatestQuerySet(RobotScopedQuerySet):
    """The newest rolled-up points of an organization's robots."""


class TelemetryImportQuerySet(RobotScopedQuerySet):
    """Imports of recordings of one organization."""


class TelemetryImportPartQuerySet(OrganizationScopedQuerySet):
    """Parts of uploaded files; read by services and selectors only."""
