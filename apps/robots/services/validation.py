"""Rules for a robot's JSON columns."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from apps.robots.choices import Capability
from urfmp.common.db.json_values import check_json

_CONFIGURATION = {"axes", "payload", "reach", "capabilities", "customSettings"}
_LOCATION = {"facility", "area", "cell", "coordinates"}
_COORDINATES = ({"x_m", "y_m", "theta_rad", "map_id"}, {"latitude", "longitude"})


def _is_number(value: Any, low: float, high: float) -> bool:
    # What is not finite, or too large for a float, lies in no range.
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _unknown(value: dict[str, Any], known: set[str]) -> list[str]:
    return [f"There is no {name}." for name in sorted(set(value) - known)]


def configuration_faults(value: Any) -> list[str]:
    """Return what is wrong with {axes, payload (kg), reach (mm), capabilities, customSettings}."""
    if not isinstance(value, dict):
        return ["Write an object, as in {}."]
    faults = _unknown(value, _CONFIGURATION)
    axes = value.get("axes", 1)
    if not _is_number(axes, 1, 12) or axes != int(axes):
        faults.append("axes is a whole number from 1 to 12.")
    for name, high in (("payload", 1e6), ("reach", 1e6)):
        if name in value and not _is_number(value[name], 0, high):
            faults.append(f"{name} is a number from 0 to {high:g}.")
    capabilities = value.get("capabilities", [])
    if not isinstance(capabilities, list) or any(c not in Capability.values for c in capabilities):
        faults.append(f"capabilities is a list of {', '.join(Capability.values)}.")
    if not isinstance(value.get("customSettings", {}), dict):
        faults.append("customSettings is an object.")
    return faults


def location_faults(value: Any) -> list[str]:
    """Return what is wrong with {facility, area, cell, coordinates}; the facility must exist."""
    if value is None:
        return []
    if not isinstance(value, dict):
        return ["Write an object, as in {}."]
    faults = _unknown(value, _LOCATION)
    faults += [
        f"{name} is a text of at most 255 characters."
        for name in ("facility", "area", "cell")
        if value.get(name) is not None
        and (not isinstance(value[name], str) or len(value[name]) > 255)
    ]
    facility = value.get("facility")
    if isinstance(facility, str) and facility and not _hold_facility(facility):
        faults.append(f"There is no facility {facility}.")
    return faults + _coordinate_faults(value.get("coordinates"))


def _hold_facility(name: str) -> bool:
    """Tell whether a facility exists, and keep it from going or being renamed until the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM facilities WHERE name = %s FOR KEY SHARE", [name])
        return bool(cursor.rowcount)


def _coordinate_faults(value: Any) -> list[str]:
    if value is None:
        return []
    shape = "coordinates is {x_m, y_m, theta_rad, map_id} or {latitude, longitude}."
    if not isinstance(value, dict) or not any(set(value) <= keys for keys in _COORDINATES):
        return [shape]
    if not isinstance(value.get("map_id", ""), str):
        return [shape]
    if "latitude" in value or "longitude" in value:
        inside = _is_number(value.get("latitude"), -90, 90) and _is_number(
            value.get("longitude"), -180, 180
        )
        return [] if inside else ["latitude is -90 to 90, longitude -180 to 180, in degrees."]
    lengths = [value.get("x_m"), value.get("y_m"), value.get("theta_rad", 0)]
    return [] if all(_is_number(item, -1e7, 1e7) for item in lengths) else [shape]


def validate_robot(configuration: Any, location: Any) -> None:
    """Check both columns.

    Raises:
        ValidationError: With the faults of each under its name.
    """
    check_json(configuration=configuration, location=location)
    faults = {
        "configuration": configuration_faults(configuration),
        "location": location_faults(location),
    }
    if wrong := {name: texts for name, texts in faults.items() if texts}:
        raise ValidationError(wrong)
