"""Validation of a robot's JSON columns."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from apps.robots.choices import Capability
from urfmp.common.db.json_values import check_json
from urfmp.common.db.names import name_error, normalize_name

_CONFIGURATION_KEYS = {"axes", "payload", "reach", "capabilities", "customSettings"}
_LOCATION_KEYS = {"facility", "area", "cell", "coordinates"}
_PLACE_KEYS = {"facility", "area", "cell"}
_COORDINATE_KEYS = ({"x_m", "y_m", "theta_rad", "map_id"}, {"latitude", "longitude"})

_MAX_TEXT_LENGTH = 255


def _is_number(value: Any, low: float, high: float) -> bool:
    # NaN, infinity and integers too large for a float are outside every range.
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _unknown_key_errors(value: dict[str, Any], known: set[str]) -> list[str]:
    return [f"Unknown key {name}." for name in sorted(set(value) - known)]


def configuration_errors(value: Any) -> list[str]:
    """Return errors of a configuration.

    Keys: axes, payload (kg), reach (mm), capabilities, customSettings.
    """
    if not isinstance(value, dict):
        return ["Enter an object such as {}."]
    errors = _unknown_key_errors(value, _CONFIGURATION_KEYS)
    axes = value.get("axes", 1)
    if not _is_number(axes, 1, 12) or axes != int(axes):
        errors.append("axes must be a whole number from 1 to 12.")
    for name, high in (("payload", 1e6), ("reach", 1e6)):
        if name in value and not _is_number(value[name], 0, high):
            errors.append(f"{name} must be a number from 0 to {high:g}.")
    capabilities = value.get("capabilities", [])
    if not isinstance(capabilities, list) or any(c not in Capability.values for c in capabilities):
        errors.append(f"capabilities must be a list of {', '.join(Capability.values)}.")
    if not isinstance(value.get("customSettings", {}), dict):
        errors.append("customSettings must be an object.")
    return errors


def location_errors(value: Any) -> list[str]:
    """Return errors of a location.

    Keys: facility, area, cell, coordinates. The facility must exist.
    """
    if value is None:
        return []
    if not isinstance(value, dict):
        return ["Enter an object such as {}."]
    errors = _unknown_key_errors(value, _LOCATION_KEYS)
    for name in _PLACE_KEYS & value.keys():
        errors += _place_errors(name, value[name])
    facility = value.get("facility")
    if isinstance(facility, str) and facility and not _lock_facility(facility):
        errors.append(f"Facility {facility} not found.")
    return errors + _coordinates_errors(value.get("coordinates"))


def _place_errors(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, str) or len(value) > _MAX_TEXT_LENGTH:
        return [f"{name} must be a text of at most {_MAX_TEXT_LENGTH} characters."]
    message = name_error(value) if value else None
    return [f"{name}: {message}"] if message else []


def normalize_location(value: Any) -> Any:
    """Return a location with normalized names of its places."""
    if not isinstance(value, dict):
        return value
    return {
        key: normalize_name(part) if key in _PLACE_KEYS and isinstance(part, str) else part
        for key, part in value.items()
    }


def _lock_facility(name: str) -> bool:
    """Lock a facility against deletion and renaming; return whether it exists."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM facilities WHERE name = %s FOR KEY SHARE", [name])
        return bool(cursor.rowcount)


def _coordinates_errors(value: Any) -> list[str]:
    if value is None:
        return []
    shape = "coordinates must be {x_m, y_m, theta_rad, map_id} or {latitude, longitude}."
    if not isinstance(value, dict) or not any(set(value) <= keys for keys in _COORDINATE_KEYS):
        return [shape]
    if not isinstance(value.get("map_id", ""), str):
        return [shape]
    if "latitude" in value or "longitude" in value:
        inside = _is_number(value.get("latitude"), -90, 90) and _is_number(
            value.get("longitude"), -180, 180
        )
        return [] if inside else ["latitude must be -90 to 90 and longitude -180 to 180 degrees."]
    lengths = [value.get("x_m"), value.get("y_m"), value.get("theta_rad", 0)]
    return [] if all(_is_number(item, -1e7, 1e7) for item in lengths) else [shape]


def validate_robot(configuration: Any, location: Any) -> None:
    """Validate both columns.

    Raises:
        ValidationError: A column is invalid; errors are under the column's name.
    """
    check_json(configuration=configuration, location=location)
    errors = {
        "configuration": configuration_errors(configuration),
        "location": location_errors(location),
    }
    if invalid := {name: texts for name, texts in errors.items() if texts}:
        raise ValidationError(invalid)
