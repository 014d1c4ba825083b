from __future__ import annotations

from urfmp.common.querysets import OrganizationScopedQuerySet


class OrganizationQuerySet(OrganizationScopedQuerySet):
    """Organizations; everybody sees their own."""

    organization_lookup = "id"


class FacilityQuerySet(OrganizationScopedQuerySet):
    """Facilities of one organization."""
