"""Places of robots: facilities, areas and cells."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

PLACE_LEVELS = ("facility", "area", "cell")
# Value of a filter for robots without a place; no name is a blank.
NO_PLACE = " "


def place_name(level: str, location: str = "location") -> Coalesce:
    """Return an expression for the name of a robot's place.

    The name is empty for a robot without one.

    Args:
        level: One of `PLACE_LEVELS`.
        location: Lookup of the robot's location from the rows of the query.
    """
    return Coalesce(KeyTextTransform(level, F(location)), Value(""), output_field=TextField())


def robots_in_place(robots: QuerySet[Any], level: str, name: str) -> QuerySet[Any]:
    """Return the robots in a place.

    Args:
        robots: Robots to choose from.
        level: One of `PLACE_LEVELS`.
        name: Name of the place; empty for robots without one.
    """
    if name:
        return robots.filter(location__contains={level: name})
    alias = f"{level}_name"
    found: QuerySet[Any] = robots.alias(**{alias: place_name(level)}).filter(**{alias: ""})
    return found


def place_names(robots: QuerySet[Any], level: str, limit: int) -> list[str]:
    """Return the names of the robots' places, sorted; one query."""
    rows = robots.order_by().values_list(place_name(level), flat=True).distinct()
    return [name for name in rows.order_by(place_name(level))[: limit + 1] if name][:limit]
