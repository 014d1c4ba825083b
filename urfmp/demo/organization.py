"""The demo organization: its slug, and the lookup of its id."""

from __future__ import annotations

from uuid import UUID

from apps.organizations.models import Organization
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

DEMO_ORGANIZATION = "meridian-drive-works"
"""Slug of the demo's large plant."""


def organization_by_slug(slug: str) -> UUID | None:
    """Return the id of the organization with this slug, or None.

    Searches the organizations one by one, each in its own tenant transaction.
    """
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            if Organization.objects.filter(pk=organization_id, slug=slug).exists():
                return organization_id
    return None
