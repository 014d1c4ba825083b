"""Form fields of a command's payload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError

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

INPUT = {"class": "u-input"}
PAYLOAD = "payload"
# Limits from here on only keep out typing errors.
_UNBOUNDED = 1e6
_LABELS = {
    "x_m": "X",
    "y_m": "Y",
    "z_m": "Z",
    "rx_rad": "Rotation about X",
    "ry_rad": "Rotation about Y",
    "rz_rad": "Rotation about Z",
    "theta_rad": "Heading",
    "map_id": "Map",
    "joints_rad": "Joint angles",
    "pose": "Pose of the tool",
    "place": "Place on a map",
    "speed_percent": "Speed",
    "payload_kg": "Payload",
    "url": "Address of the file",
    "sha256": "SHA-256 digest of the file",
}


def label_of(name: str) -> str:
    """Return the label of a payload's member."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


class JointsField(forms.CharField):
    """Angles, separated by spaces."""

    def to_python(self, value: Any) -> Any:
        """Return the angles as a list.

        Raises:
            ValidationError: A part of the text is not a number.
        """
        parts = [part for part in re.split(r"[\s;]+", super().to_python(value) or "") if part]
        try:
            return [float(part) for part in parts]
        except ValueError as error:
            msg = "Enter numbers separated by spaces, such as 0 -1.57 1.57 0 0 0."
            raise ValidationError(msg) from error


class ParametersField(forms.CharField):
    """Names and values, one pair per line."""

    def to_python(self, value: Any) -> Any:
        """Return the pairs as an object.

        Raises:
            ValidationError: A line is not a name and a value, or repeats a name.
        """
        found: dict[str, Any] = {}
        for number, line in enumerate((super().to_python(value) or "").splitlines(), 1):
            if not line.strip():
                continue
            name, separator, text = (part.strip() for part in line.partition("="))
            if not separator or not name:
                msg = f"Line {number}: enter a name and a value, such as speed = 5."
                raise ValidationError(msg)
            if name in found:
                msg = f"Line {number}: the name {name} is used twice."
                raise ValidationError(msg)
            found[name] = _scalar(text)
        return found


def _scalar(text: str) -> Any:
    """Return a number, true, false, null, or else the text itself."""
    try:
        value = msgspec.json.decode(text.encode())
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict | list) else value


def payload_fields(
    members: Fields,
    limits: RobotLimits,
    target: str,
    prefix: str = PAYLOAD,
    *,
    required: bool = True,
) -> Iterator[tuple[str, forms.Field]]:
    """Yield names and form fields of a payload.

    A name is the path under which the service reports the field's errors.

    Args:
        members: Members of the payload, or of an object in it.
        limits: Limits of the robot, for the help texts.
        target: Which one of several alternatives the form has.
        prefix: Path of the object.
        required: Whether the object itself is required.
    """
    for name, kind in members.members.items():
        if name in members.one_of and name != target:
            continue
        path = f"{prefix}.{name}"
        is_required = required and (name in members.required or name in members.one_of)
        if isinstance(kind, Fields):
            yield from payload_fields(kind, limits, target, path, required=is_required)
        else:
            field = _form_field(kind, limits, is_required)
            parent = prefix.rpartition(".")[2]
            # The selected alternative is the only object of its form.
            group = "" if parent in {PAYLOAD, target} else f"{label_of(parent)}: "
            unit = _unit_of(kind)
            field.label = f"{group}{label_of(name)}{f' ({unit})' if unit else ''}"
            yield path, field


def _unit_of(kind: PayloadField) -> str:
    if isinstance(kind, Number):
        return kind.unit
    return "kg" if isinstance(kind, Mass) else "rad" if isinstance(kind, Joints) else ""


def _form_field(kind: PayloadField, limits: RobotLimits, required: bool) -> forms.Field:
    if isinstance(kind, Number):
        return _number(kind.low, kind.high, required)
    if isinstance(kind, Mass):
        return _number(0, limits.payload_kg, required)
    if isinstance(kind, Joints):
        count = f"{limits.axes} angles" if limits.axes else "One angle for each axis"
        text = f"{count}, separated by spaces."
        return JointsField(required=required, help_text=text, widget=forms.TextInput(attrs=INPUT))
    if isinstance(kind, Parameters):
        text = "One per line, such as speed = 5."
        widget = forms.Textarea(attrs={**INPUT, "rows": 3})
        return ParametersField(required=required, help_text=text, widget=widget)
    if isinstance(kind, Text) and kind.is_sentence:
        widget = forms.Textarea(attrs={**INPUT, "rows": 2})
        return forms.CharField(required=required, max_length=kind.max_length, widget=widget)
    length = kind.max_length if isinstance(kind, Text) else None
    help_text = "Begins with https://." if isinstance(kind, Url) else ""
    if isinstance(kind, Digest):
        help_text = "64 hexadecimal digits."
    return forms.CharField(
        required=required,
        max_length=length,
        help_text=help_text,
        widget=forms.TextInput(attrs=INPUT),
    )


def _number(low: float, high: float | None, required: bool) -> forms.FloatField:
    """Return a number field; the service checks the range."""
    attrs: dict[str, Any] = {**INPUT, "step": "any"}
    text = ""
    if high is not None and high < _UNBOUNDED:
        attrs |= {"min": str(low), "max": str(high)}
        text = f"{low:.4g} to {high:.4g}"
    return forms.FloatField(
        required=required, help_text=text, widget=forms.NumberInput(attrs=attrs)
    )
