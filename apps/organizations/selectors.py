"""Queries of organizations and facilities."""

from __future__ import annotations

from typing import Any

from apps.organizations.models import Facility


def facility_timezone(principal: Any, name: str) -> str:
    """Return the timezone of a facility, by default the organization's.

    Args:
        principal: User or API key that reads.
        name: Name of the facility; empty or unknown for none.
    """
    own: str | None = None
    if name:
        rows = Facility.objects.restrict(principal).filter(name=name)
        own = rows.values_list("timezone", flat=True).first()
    return own or str(principal.organization.timezone)
