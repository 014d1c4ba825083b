"""JSON Schemas of a robot's JSON columns, for the OpenAPI document.

`services/validation.py` enforces the same rules.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.robots.choices import Capability


def _number(low: float, high: float, text: str = "") -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "description": text}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_CONFIGURATION = _object(
    axes={"type": "integer", "minimum": 1, "maximum": 12},
    payload=_number(0, 1e6, "kg"),
    reach=_number(0, 1e6, "mm"),
    capabilities={"type": "array", "items": {"type": "string", "enum": Capability.values}},
    customSettings={"type": "object", "description": "Custom settings."},
)
_TEXT = {"type": ["string", "null"], "maxLength": 255}
_MAP_COORDINATES = {
    **_object(
        x_m=_number(-1e7, 1e7),
        y_m=_number(-1e7, 1e7),
        theta_rad=_number(-1e7, 1e7),
        map_id={"type": "string"},
    ),
    "required": ["x_m", "y_m"],
}
_GPS_COORDINATES = {
    **_object(latitude=_number(-90, 90, "degrees"), longitude=_number(-180, 180, "degrees")),
    "required": ["latitude", "longitude"],
}
_LOCATION = _object(
    facility={**_TEXT, "description": "Name of a facility of the organization."},
    area=_TEXT,
    cell=_TEXT,
    coordinates={"oneOf": [_MAP_COORDINATES, _GPS_COORDINATES, {"type": "null"}]},
)


@extend_schema_field(_CONFIGURATION)
class ConfigurationField(serializers.DictField):
    """Technical configuration of a robot."""


@extend_schema_field(_LOCATION)
class LocationField(serializers.DictField):
    """Location of a robot."""
