"""Organizations, their settings, and the facilities in which their robots work."""

from __future__ import annotations

from apps.organizations.models.facilities import Facility
from apps.organizations.models.floor_plans import FloorPlan
from apps.organizations.models.organizations import Organization
from apps.organizations.models.platform import PlatformOrganization

__all__ = ["Facility", "FloorPlan", "Organization", "PlatformOrganization"]
