"""A robot's JSON columns as the OpenAPI document describes them; `validation.py` holds to it."""

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
    customSettings={"type": "object", "description": "Anything of your own."},
)
_TEXT = {"type": ["string", "null"], "maxLength": 255}
_ON_A_MAP = {
    **_object(
        x_m=_number(-1e7, 1e7),
        y_m=_number(-1e7, 1e7),
        theta_rad=_number(-1e7, 1e7),
        map_id={"type": "string"},
    ),
    "required": ["x_m", "y_m"],
}
_ON_EARTH = {
    **_object(latitude=_number(-90, 90, "degrees"), longitude=_number(-180, 180, "degrees")),
    "required": ["latitude", "longitude"],
}
_LOCATION = _object(
    facility={**_TEXT, "description": "The name of one of the organization's facilities."},
    area=_TEXT,
    cell=_TEXT,
    coordinates={"oneOf": [_ON_A_MAP, _ON_EARTH, {"type": "null"}]},
)


@extend_schema_field(_CONFIGURATION)
class ConfigurationField(serializers.DictField):
    """What the robot is built of."""


@extend_schema_field(_LOCATION)
class LocationField(serializers.DictField):
    """Where it stands."""
