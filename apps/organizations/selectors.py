"""Queries of organizations and facilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.organizations.models import Facility, Organization, PlatformOrganization
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


def facility_timezone(principal: Any, name: str) -> str:
    """Return the timezone of a facility, by default the organization's.

    Args:
        principal: User that reads.
        name: Name of the facility; empty or unknown for none.
    """
    own: str | None = None
    if name:
        rows = Facility.objects.restrict(principal).filter(name=name)
        own = rows.values_list("timezone", flat=True).first()
    return own or str(principal.organization.timezone)


def organization_by_slug(slug: str) -> UUID | None:
    """Return the id of the organization with this slug, or None.

    For commands and jobs without a tenant transaction. Searches the organizations one by one, each
    in its own.
    """
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            if Organization.objects.filter(pk=organization_id, slug=slug).exists():
                return organization_id
    return None


@dataclass(frozen=True)
class OrganizationFleet:
    """An organization with counts of its fleet.

    Attributes:
        organization: Row of the platform's list.
        connected: Number of robots in service that are not offline.
        open_alerts: Number of unresolved alerts.
    """

    organization: PlatformOrganization
    connected: int
    open_alerts: int


def platform_fleet(principal: Any) -> list[OrganizationFleet]:
    """Return all organizations, those with open alerts first; two queries.

    The database returns rows to a super admin in the platform's own organization only.
    """
    organizations = list(PlatformOrganization.objects.restrict(principal))
    if not organizations:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, connected_count, open_alert_count FROM platform_fleet()")
        counts = {row[0]: row[1:] for row in cursor.fetchall()}
    rows = [OrganizationFleet(row, *counts.get(row.pk, (0, 0))) for row in organizations]
    return sorted(rows, key=lambda row: (not row.organization.is_active, -row.open_alerts))
