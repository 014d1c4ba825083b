"""The facility by which pages of maintenance are filtered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict

from apps.organizations.models import Facility
from urfmp.common.time.zones import zone_or_utc

_MAX_CHOICES = 500


@dataclass(frozen=True)
class FacilityFilter:
    """The choice of a facility.

    Attributes:
        choices: Names to choose from, at most 500.
        name: Chosen name; empty for all facilities.
        zone: Timezone of the chosen facility, else of the organization.
    """

    choices: list[str]
    name: str
    zone: ZoneInfo


def facility_filter(user: Any, query: QueryDict) -> FacilityFilter:
    """Return the choice of the parameter `facility`; an unknown name chooses all."""
    timezones: dict[str, str] = dict(
        Facility.objects.restrict(user)
        .order_by("name")
        .values_list("name", "timezone")[:_MAX_CHOICES]
    )
    name = query.get("facility", "") if query.get("facility") in timezones else ""
    zone = zone_or_utc(timezones.get(name) or user.organization.timezone)
    return FacilityFilter(list(timezones), name, zone)
