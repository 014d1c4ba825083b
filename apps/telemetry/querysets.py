from __future__ import annotations

from urfmp.common.querysets import OrganizationScopedQuerySet


class TelemetryBatchQuerySet(OrganizationScopedQuerySet):
    """What one organization's senders stored lately; read by workers and selectors, not people."""
