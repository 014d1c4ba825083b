"""Fields of payloads: validation and JSON Schema of one value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from urfmp.common.db.names import identifier_error

Errors = Iterator[tuple[str, str]]
"""Pairs of a field's path, relative to the field itself, and the message."""

_MAX_URL = 2000
_DIGEST = "[0-9a-fA-F]{64}"
_MAX_AXES = 12
_MAX_NAME_CHARS = 100
_MAX_TEXT_CHARS = 1000


@dataclass(frozen=True)
class RobotLimits:
    """Limits from a robot's configuration; None where it does not contain them.

    Attributes:
        axes: Number of joints.
        payload_kg: Greatest mass that the robot carries.
        reach_m: Greatest distance of the tool from the base.
    """

    axes: int | None = None
    payload_kg: float | None = None
    reach_m: float | None = None

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> RobotLimits:
        """Read the limits of a configuration, which has the reach in millimetres."""
        axes, reach = configuration.get("axes"), configuration.get("reach")
        return cls(
            axes=None if axes is None else int(axes),
            payload_kg=configuration.get("payload"),
            reach_m=None if reach is None else reach / 1000,
        )


class PayloadField(Protocol):
    """A field of a payload."""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the errors of a value."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema, without the limits of a single robot."""
        ...


def _number_error(value: Any, low: float, high: float, unit: str) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # NaN, infinity and integers too large for a float are outside every range.
    if is_number and low <= value <= high:
        return None
    return f"Enter a number from {low:g} to {high:g}{f' {unit}' if unit else ''}."


@dataclass(frozen=True)
class Number:
    """A number within a range, in a unit."""

    low: float
    high: float
    unit: str = ""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the error of a value outside the range."""
        if message := _number_error(value, self.low, self.high, self.unit):
            yield "", message

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {
            "type": "number",
            "minimum": self.low,
            "maximum": self.high,
            **({"description": self.unit} if self.unit else {}),
        }


@dataclass(frozen=True)
class Mass:
    """A mass in kg that the robot can carry."""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the error of a mass above the robot's payload."""
        high = 1e6 if limits.payload_kg is None else limits.payload_kg
        if message := _number_error(value, 0, high, "kg"):
            yield "", message

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {
            "type": "number",
            "minimum": 0,
            "description": "kg; at most the payload of the robot's configuration.",
        }


@dataclass(frozen=True)
class Text:
    """A visible text, without line breaks unless it is a sentence."""

    max_length: int
    is_sentence: bool = False

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the error of a value that is not such a text."""
        if not isinstance(value, str) or not value.strip() or len(value) > self.max_length:
            yield "", f"Enter a text of 1 to {self.max_length} characters."
        elif not self.is_sentence and (message := identifier_error(value)):
            yield "", message

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


@dataclass(frozen=True)
class Url:
    """An https address from which the robot loads a file."""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the error of an invalid address, or of a password."""
        try:
            parts = urlsplit(value) if isinstance(value, str) and len(value) <= _MAX_URL else None
            is_valid = parts is not None and parts.scheme == "https" and bool(parts.hostname)
        except ValueError:
            is_valid = False
        if not is_valid or not value.isprintable() or " " in value:
            yield "", f"Enter an https address of at most {_MAX_URL} characters."
        elif parts is not None and (parts.username or parts.password):
            yield "", "The address must not contain a user name or password."

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "string", "format": "uri", "maxLength": _MAX_URL}


@dataclass(frozen=True)
class Digest:
    """A SHA-256 digest in hexadecimal."""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the error of a value that is not such a digest."""
        if not isinstance(value, str) or not re.fullmatch(_DIGEST, value):
            yield "", "Enter 64 hexadecimal digits."

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "string", "pattern": f"^{_DIGEST}$"}


_MAX_JOINT_RAD = 4 * math.pi


@dataclass(frozen=True)
class Joints:
    """Target angles in rad, one for each axis."""

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the errors of the length and of single angles."""
        if not isinstance(value, list) or not 1 <= len(value) <= _MAX_AXES:
            yield "", "Enter a list of angles in rad, one for each axis."
            return
        if limits.axes is not None and len(value) != limits.axes:
            yield "", f"Enter {limits.axes} angles in rad: the robot has {limits.axes} axes."
        for number, angle in enumerate(value):
            if message := _number_error(angle, -_MAX_JOINT_RAD, _MAX_JOINT_RAD, "rad"):
                yield str(number), message

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        angle = {"type": "number", "minimum": -_MAX_JOINT_RAD, "maximum": _MAX_JOINT_RAD}
        return {
            "type": "array",
            "items": angle,
            "minItems": 1,
            "maxItems": _MAX_AXES,
            "description": "rad; one angle for each axis of the robot's configuration.",
        }


@dataclass(frozen=True)
class Parameters:
    """An object of simple values, which the robot's program or action defines."""

    max_count: int = 50

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the errors of the names and values."""
        if not isinstance(value, dict) or len(value) > self.max_count:
            yield "", f"Enter an object with at most {self.max_count} members."
            return
        for name, part in value.items():
            if not 0 < len(name) <= _MAX_NAME_CHARS or identifier_error(name):
                yield (
                    name[:_MAX_NAME_CHARS],
                    f"Use a name of 1 to {_MAX_NAME_CHARS} characters that can be seen.",
                )
            elif isinstance(part, dict | list):
                yield name, "Enter a text, a number, true, false or null."
            elif isinstance(part, str) and len(part) > _MAX_TEXT_CHARS:
                yield name, f"Enter a text of at most {_MAX_TEXT_CHARS} characters."

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {
            "type": "object",
            "maxProperties": self.max_count,
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }


def _reach_errors(point: dict[str, float], limits: RobotLimits) -> Errors:
    distance = math.hypot(*(point.get(axis, 0) for axis in ("x_m", "y_m", "z_m")))
    if limits.reach_m is not None and distance > limits.reach_m:
        yield (
            "",
            f"The point is {distance:.3g} m from the base; the robot reaches {limits.reach_m:g} m.",
        )


@dataclass(frozen=True)
class Fields:
    """An object with known members.

    Attributes:
        members: Fields by name.
        required: Names that must be present.
        one_of: Names of which exactly one must be present.
        bounds_reach: Whether x_m, y_m and z_m are a point within the robot's reach.
    """

    members: Mapping[str, PayloadField] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    bounds_reach: bool = False

    def errors(self, value: Any, limits: RobotLimits) -> Errors:
        """Yield the errors of unknown, missing and invalid members."""
        if not isinstance(value, dict):
            yield "", f"Enter an object with {', '.join(self.members)}."
            return
        for name in sorted(map(str, set(value) - set(self.members))):
            yield name[:100], f"Unknown field. Known are: {', '.join(self.members) or 'none'}."
        for name in self.required:
            if name not in value:
                yield name, "This field is required."
        if self.one_of and sum(name in value for name in self.one_of) != 1:
            yield "", f"Enter exactly one of {', '.join(self.one_of)}."
        invalid = [
            (f"{name}.{path}".rstrip("."), message)
            for name, member in self.members.items()
            if name in value
            for path, message in member.errors(value[name], limits)
        ]
        yield from invalid
        if self.bounds_reach and not invalid:
            yield from _reach_errors(value, limits)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: member.schema() for name, member in self.members.items()},
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = list(self.required)
        if self.one_of:
            schema["oneOf"] = [{"required": [name]} for name in self.one_of]
        return schema
