"""Form of a command of one type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.robots.choices import (
    DEFAULT_LIFETIME,
    DEFAULT_MOTION_LIFETIME,
    MAX_LIFETIME,
    MAX_MOTION_LIFETIME,
    MOTION_TYPES,
    CommandPriority,
    CommandType,
)
from apps.robots.protocols.commands.fields import RobotLimits
from apps.robots.protocols.commands.payloads import PAYLOADS
from urfmp.common.admin.forms import ServiceError, error_messages
from urfmp.common.rendering.formats import format_duration
from urfmp.common.time.fields import LocalDateTimeField, LocalDateTimeInput
from urfmp.pages.views.commands.fields import INPUT, PAYLOAD, label_of, payload_fields

# Commands that are confirmed on a page of their own.
CONFIRMED_TYPES = frozenset({CommandType.RESET, CommandType.UPDATE_FIRMWARE})
DELIVERY_FIELDS = ("priority", "scheduled_at", "expires_in")


def targets_of(type: CommandType) -> list[tuple[str, str]]:  # noqa: A002 - the column
    """Return names and labels of a type's alternatives, such as targets."""
    return [(name, label_of(name)) for name in PAYLOADS[type].one_of]


class CommandForm(forms.Form):
    """Payload and delivery of a command.

    Fields of the payload have the path of their value as name, so that errors of the service are
    shown at the field.
    """

    priority = forms.ChoiceField(
        choices=CommandPriority.choices,
        initial=CommandPriority.NORMAL,
        widget=forms.Select(attrs=INPUT),
        help_text="Of several waiting commands, the one with the highest priority is sent first.",
    )
    scheduled_at = LocalDateTimeField(
        required=False,
        widget=LocalDateTimeInput(attrs={**INPUT, "type": "datetime-local", "step": "any"}),
        label="Not before",
        help_text="Leave blank to send the command at once.",
    )
    expires_in = forms.IntegerField(
        required=False,
        widget=forms.NumberInput(attrs={**INPUT, "min": 1}),
        label="Expires after (s)",
    )

    def __init__(
        self,
        data: Any,
        *,
        type: CommandType,  # noqa: A002 - the column
        target: str,
        limits: RobotLimits,
    ) -> None:
        """Add the fields of the type's payload before the others."""
        super().__init__(data, label_suffix="")
        self.type = type
        delivery = self.fields
        self.fields = {**dict(payload_fields(PAYLOADS[type], limits, target)), **delivery}
        is_motion = type in MOTION_TYPES
        default = DEFAULT_MOTION_LIFETIME if is_motion else DEFAULT_LIFETIME
        maximum = MAX_MOTION_LIFETIME if is_motion else MAX_LIFETIME
        self.fields["expires_in"].help_text = (
            f"A command that the robot has not fetched by then is not sent. Leave blank for"
            f" {format_duration(default)}; at most {format_duration(maximum)}."
        )

    @property
    def payload_fields(self) -> list[forms.BoundField]:
        """The fields of the payload."""
        return [field for field in self if field.name not in DELIVERY_FIELDS]

    @property
    def delivery_fields(self) -> list[forms.BoundField]:
        """The fields that every command has."""
        return [self[name] for name in DELIVERY_FIELDS]

    @property
    def has_delivery_errors(self) -> bool:
        """Return whether a field that every command has is invalid."""
        return any(self[name].errors for name in DELIVERY_FIELDS)

    @property
    def summary(self) -> list[tuple[str, Any]]:
        """Labels and entered values, for the page that confirms the command."""
        filled = ((field, self.cleaned_data.get(field.name)) for field in self)
        return [(str(field.label), field.value()) for field, value in filled if value is not None]

    @property
    def hidden_values(self) -> list[tuple[str, Any]]:
        """Names and entered values, to send the form again."""
        return [(name, self.data.get(name, "")) for name in (*self.fields, "scheduled_at_offset")]

    def payload(self) -> dict[str, Any]:
        """Return the payload; fields without a value are left out."""
        found: dict[str, Any] = {}
        for name in self.fields:
            value = self.cleaned_data.get(name)
            if name in DELIVERY_FIELDS or value in (None, "", [], {}):
                continue
            *parents, last = name.removeprefix(f"{PAYLOAD}.").split(".")
            place = found
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return found

    def service_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments of `command_create`, besides robot and user."""
        seconds = self.cleaned_data.get("expires_in")
        return {
            "type": self.type,
            "payload": self.payload(),
            "priority": self.cleaned_data["priority"],
            "scheduled_at": self.cleaned_data.get("scheduled_at"),
            "lifetime": None if seconds is None else timedelta(seconds=seconds),
        }

    def add_service_error(self, error: ServiceError) -> None:
        """Show a service's error at its field, or above the form."""
        if not isinstance(error, ValidationError) or not hasattr(error, "error_dict"):
            self.add_error(None, error_messages(error))
            return
        for path, errors in error.message_dict.items():
            name = self._field_of(path)
            texts = errors if name or path == "__all__" else [f"{path}: {e}" for e in errors]
            self.add_error(name, texts)

    def _field_of(self, path: str) -> str | None:
        while path:
            if path in self.fields:
                return path
            path = path.rpartition(".")[0]
        return None
