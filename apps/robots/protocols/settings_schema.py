"""JSON Schemas of a robot's location, configuration and connection settings.

Services validate with them, and the OpenAPI document shows them.
"""

from __future__ import annotations

from typing import Any

from apps.robots.choices import Capability, ConnectionProtocol, ConnectionSecret
from apps.robots.selectors.profiles.definitions import VendorProfile
from urfmp.common.db.json_schema import schema_errors
from urfmp.common.security.redaction import is_secret_name

MAX_SECRET_LENGTH = 8_192
_MAX_SETTINGS = 50


def _number(low: float, high: float, text: str = "") -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high, "description": text}


def _text(max_length: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "maxLength": max_length, **more}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


CONFIGURATION: dict[str, Any] = _object(
    axes={"type": "integer", "minimum": 1, "maximum": 12},
    payload=_number(0, 1e6, "kg"),
    reach=_number(0, 1e6, "mm"),
    capabilities={"type": "array", "items": {"type": "string", "enum": Capability.values}},
    customSettings={"type": "object", "description": "Custom settings."},
)
_PLACE = {"type": ["string", "null"], "maxLength": 255}
_MAP_COORDINATES: dict[str, Any] = {
    **_object(
        x_m=_number(-1e7, 1e7),
        y_m=_number(-1e7, 1e7),
        theta_rad=_number(-1e7, 1e7),
        map_id=_text(255),
    ),
    "required": ["x_m", "y_m"],
}
_GPS_COORDINATES: dict[str, Any] = {
    **_object(latitude=_number(-90, 90, "degrees"), longitude=_number(-180, 180, "degrees")),
    "required": ["latitude", "longitude"],
}


def _location(coordinates: dict[str, Any]) -> dict[str, Any]:
    facility = {**_PLACE, "description": "Name of a facility of the organization."}
    return _object(facility=facility, area=_PLACE, cell=_PLACE, coordinates=coordinates)


LOCATION: dict[str, Any] = _location(
    {"oneOf": [_MAP_COORDINATES, _GPS_COORDINATES, {"type": "null"}]}
)
# The same rules. Their errors name the single coordinate, which those of `oneOf` do not.
_LOCATION_RULES = {
    **_location(
        {
            "type": ["object", "null"],
            "if": {"type": "object"},
            "then": {
                "if": {"anyOf": [{"required": ["latitude"]}, {"required": ["longitude"]}]},
                "then": _GPS_COORDINATES,
                "else": _MAP_COORDINATES,
            },
        }
    ),
    "type": ["object", "null"],
}
# Host names, IPv4 and IPv6 addresses, but no URL.
_HOST = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$"
_ONE_LINE = r"^[^\u0000-\u001f\u007f]*$"
_PLAIN_FIELDS: dict[str, Any] = {
    "host": _text(253, minLength=1, pattern=_HOST, title="host name or IP address"),
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "path": _text(255, pattern=_ONE_LINE, title="path in one line"),
    "username": _text(255, pattern=_ONE_LINE, title="user name in one line"),
    "use_tls": {"type": "boolean"},
    "settings": {
        "type": "object",
        "maxProperties": _MAX_SETTINGS,
        "additionalProperties": _text(1_000, type=["string", "number", "boolean", "null"]),
        "description": "Custom settings without secrets.",
    },
}
_SECRET_RULES = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_SECRET_LENGTH}
_SECRET_DOCUMENTED = {
    "oneOf": [
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_SECRET_LENGTH,
            "description": "In a request: the new secret. Never in a response.",
        },
        {"type": "null", "description": "In a request: remove the secret."},
        {
            **_object(replaced_at={"type": "string", "format": "date-time"}),
            "description": "In a response: the secret is set. Sent back, it stays as it is.",
        },
    ]
}


def _connection(
    protocols: tuple[str, ...], secrets: tuple[str, ...], secret: dict[str, Any]
) -> dict[str, Any]:
    return {
        **_object(
            protocol={"type": "string", "enum": [str(protocol) for protocol in protocols]},
            **_PLAIN_FIELDS,
            secrets=_object(**dict.fromkeys(map(str, secrets), secret)),
        ),
        "required": ["protocol", "host"],
    }


CONNECTION: dict[str, Any] = _connection(
    tuple(ConnectionProtocol.values), tuple(ConnectionSecret.values), _SECRET_DOCUMENTED
)


def configuration_errors(value: Any) -> dict[str, list[str]]:
    """Return the errors of a configuration by path."""
    return schema_errors(value, CONFIGURATION, "configuration")


def location_errors(value: Any) -> dict[str, list[str]]:
    """Return the errors of a location by path, without a database."""
    return schema_errors(value, _LOCATION_RULES, "location")


def connection_errors(value: Any, profile: VendorProfile) -> dict[str, list[str]]:
    """Return the errors of connection settings by path.

    Secrets are in plain text. A message never contains a value.
    """
    rules = _connection(profile.protocols, profile.secrets, _SECRET_RULES)
    errors = schema_errors(value, rules, "connection_config")
    settings = value.get("settings") if isinstance(value, dict) else None
    for name in settings if isinstance(settings, dict) else ():
        if message := _setting_name_error(name):
            errors.setdefault("connection_config.settings", []).append(message)
    return errors


def _setting_name_error(name: str) -> str | None:
    if not 0 < len(name) <= 100:
        return "Names of settings have 1 to 100 characters."
    if is_secret_name(name):
        return f"{name}: Settings are not encrypted. Use the secrets of the connection."
    return None
