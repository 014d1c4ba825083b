"""Validation of a robot's JSON columns."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from apps.robots.protocols import settings_schema
from urfmp.common.db.json_values import check_json
from urfmp.common.db.names import name_error, normalize_name

_PLACE_KEYS = ("facility", "area", "cell")


def location_errors(value: Any) -> dict[str, list[str]]:
    """Return the errors of a location by path.

    The facility must exist; its row is locked against deletion and renaming.
    """
    errors = settings_schema.location_errors(value)
    if errors or value is None:
        return errors
    for name in _PLACE_KEYS:
        if (text := value.get(name)) and (message := name_error(text)):
            errors[f"location.{name}"] = [message]
    facility = value.get("facility")
    if facility and "location.facility" not in errors and not lock_facility(facility):
        errors["location.facility"] = [f"Facility {facility} not found."]
    return errors


def normalize_location(value: Any) -> Any:
    """Return a location with normalized names of its places."""
    if not isinstance(value, dict):
        return value
    return {
        key: normalize_name(part) if key in _PLACE_KEYS and isinstance(part, str) else part
        for key, part in value.items()
    }


def lock_facility(name: str) -> bool:
    """Lock a facility against deletion and renaming; return whether it exists."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM facilities WHERE name = %s FOR KEY SHARE", [name])
        return bool(cursor.rowcount)


def validate_robot(configuration: Any, location: Any) -> None:
    """Validate both columns.

    Raises:
        ValidationError: A column is invalid; errors are under paths such as `configuration.axes`.
    """
    check_json(configuration=configuration, location=location)
    errors = settings_schema.configuration_errors(configuration) | location_errors(location)
    if errors:
        raise ValidationError(errors)
