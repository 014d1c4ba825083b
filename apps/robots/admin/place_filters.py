"""Filters of robots by facility, area and cell."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from apps.organizations.models import Facility
from apps.robots.models import Robot
from apps.robots.selectors.places import NO_PLACE, PLACE_LEVELS, place_names, robots_in_place
from urfmp.common.admin import restricted

# Each choice is part of every page of the list.
_MAX_CHOICES = 100


class _PlaceFilter(DropdownFilter):
    """Filter robots by one level of their location."""

    level: ClassVar[str]

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.request = request
        super().__init__(request, *args)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = self.names(request)
        # The page of the fleet's tree links to places that may be left off here.
        if (chosen := self.value()) and chosen.strip() and chosen not in names:
            names.append(chosen)
        return [(NO_PLACE, f"No {self.level}"), *((name, name) for name in names)]

    def names(self, request: HttpRequest) -> list[str]:
        """Return the names to choose from, within the chosen levels above."""
        robots = restricted(Robot, request)
        for level in PLACE_LEVELS[: PLACE_LEVELS.index(self.level)]:
            if chosen := request.GET.get(level):
                robots = robots_in_place(robots, level, chosen.strip())
        return place_names(robots, self.level, _MAX_CHOICES)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (chosen := self.value()):
            return queryset
        return robots_in_place(queryset, self.level, chosen.strip())


class FacilityFilter(_PlaceFilter):
    title = parameter_name = level = "facility"

    def names(self, request: HttpRequest) -> list[str]:
        """Return all facilities, also those without robots."""
        return [row.name for row in restricted(Facility, request)[:_MAX_CHOICES]]


class AreaFilter(_PlaceFilter):
    title = parameter_name = level = "area"


class CellFilter(_PlaceFilter):
    title = parameter_name = level = "cell"

    def names(self, request: HttpRequest) -> list[str]:
        """Return the cells of the chosen area.

        A fleet can have as many cells as robots.
        """
        return super().names(request) if request.GET.get("area") else []
