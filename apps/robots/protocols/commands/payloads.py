"""The payload of each command type."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError

from apps.robots.choices import CommandType
from apps.robots.protocols.commands.fields import (
    Digest,
    Fields,
    Joints,
    Mass,
    Number,
    Parameters,
    PayloadField,
    RobotLimits,
    Text,
    Url,
)
from urfmp.common.db.json_values import check_json

_LENGTH = Number(-1e7, 1e7, "m")
_ANGLE = Number(-4 * math.pi, 4 * math.pi, "rad")
_SPEED = Number(0, 100, "%")
_REASON: dict[str, PayloadField] = {"reason": Text(500, is_sentence=True)}
_POSE = Fields(
    {
        "x_m": _LENGTH,
        "y_m": _LENGTH,
        "z_m": _LENGTH,
        "rx_rad": _ANGLE,
        "ry_rad": _ANGLE,
        "rz_rad": _ANGLE,
    },
    required=("x_m", "y_m", "z_m"),
    bounds_reach=True,
)
_PLACE = Fields(
    {"x_m": _LENGTH, "y_m": _LENGTH, "theta_rad": _ANGLE, "map_id": Text(255)},
    required=("x_m", "y_m"),
)
_PROGRAM: dict[str, PayloadField] = {"program": Text(255), "parameters": Parameters()}

PAYLOADS: dict[CommandType, Fields] = {
    CommandType.START: Fields(),
    CommandType.STOP: Fields(_REASON),
    CommandType.PAUSE: Fields(_REASON),
    CommandType.RESUME: Fields(),
    CommandType.EMERGENCY_STOP: Fields(_REASON),
    CommandType.RESET: Fields(_REASON),
    CommandType.MOVE_TO_POSITION: Fields(
        {
            "joints_rad": Joints(),
            "pose": _POSE,
            "place": _PLACE,
            "speed_percent": _SPEED,
            "payload_kg": Mass(),
        },
        one_of=("joints_rad", "pose", "place"),
    ),
    CommandType.RUN_PROGRAM: Fields(
        {**_PROGRAM, "speed_percent": _SPEED, "payload_kg": Mass()}, required=("program",)
    ),
    CommandType.LOAD_PROGRAM: Fields(_PROGRAM, required=("program",)),
    CommandType.SET_SPEED: Fields({"speed_percent": _SPEED}, required=("speed_percent",)),
    CommandType.CALIBRATE: Fields({"routine": Text(100), "place": _PLACE}),
    CommandType.UPDATE_FIRMWARE: Fields(
        {"version": Text(50), "url": Url(), "sha256": Digest()}, required=("version",)
    ),
    CommandType.CUSTOM: Fields({"name": Text(100), "parameters": Parameters()}, required=("name",)),
}


def validate_payload(type: str, payload: Any, configuration: Any) -> None:  # noqa: A002 - column
    """Validate a payload against its type and the robot's own limits.

    Args:
        type: One of `CommandType`.
        payload: Payload as decoded JSON.
        configuration: Configuration of the robot.

    Raises:
        ValidationError: A field is unknown, missing or outside its limits; errors are under the
            field's path, such as `payload.pose.x_m`.
    """
    check_json(payload=payload)
    errors: dict[str, list[str]] = {}
    limits = RobotLimits.of(configuration or {})
    for path, message in PAYLOADS[CommandType(type)].errors(payload, limits):
        errors.setdefault(f"payload.{path}".rstrip("."), []).append(message)
    if errors:
        raise ValidationError(errors)
