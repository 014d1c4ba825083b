from __future__ import annotations

from urfmp.common.tenancy.querysets import OrganizationScopedQuerySet


class AuditLogQuerySet(OrganizationScopedQuerySet):
    """Audit rows of one organization."""
