"""The form of a robot, without JSON."""

from __future__ import annotations

import math
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from apps.organizations.models import Facility
from apps.robots.choices import Capability, ConnectionProtocol, Vendor
from apps.robots.models import Robot
from apps.robots.selectors.connection import plain_connection
from apps.robots.selectors.profiles import VENDOR_PROFILES, vendor_profile
from apps.robots.selectors.profiles.definitions import RobotModel
from urfmp.common.admin import ScopedModelForm, restricted
from urfmp.common.admin.key_values import KeyValueField, merged_entries, nested_names

_EMPTY: tuple[Any, ...] = (None, "", [], {}, False)
_PLACES = ("facility", "area", "cell")
_MAP = ("x_m", "y_m", "heading", "map_id")
_GPS = ("latitude", "longitude")
_FACTS = ("axes", "payload", "reach", "capabilities")
_CONNECTION = ("protocol", "host", "port", "path", "username", "use_tls")
# Fields that show the errors of a path, and those of paths below it.
_ERROR_FIELDS = {
    **{f"location.{name}": name for name in _PLACES},
    "location.coordinates": "x_m",
    "location.coordinates.theta_rad": "heading",
    **{f"location.coordinates.{name}": name for name in (*_MAP, *_GPS)},
    **{f"configuration.{name}": name for name in _FACTS},
    "configuration.customSettings": "custom_settings",
    **{f"connection_config.{name}": name for name in _CONNECTION},
    "connection_config.settings": "connection_settings",
}


class DatalistInput(UnfoldAdminTextInputWidget):
    """Text input with suggestions; any other text is accepted as well."""

    def __init__(self, suggestions: list[tuple[str, str]]) -> None:
        super().__init__()
        self.suggestions = suggestions

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        list_id = f"{name}-suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', self.suggestions)
        return format_html('{}<datalist id="{}">{}</datalist>', field, list_id, options)


def _text_field(max_length: int = 255, **kwargs: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(required=False, max_length=max_length, widget=widget, **kwargs)


def _number_field(label: str, **kwargs: Any) -> forms.FloatField:
    widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
    return forms.FloatField(required=False, label=label, widget=widget, **kwargs)


def _whole_number_field(low: int, high: int) -> forms.IntegerField:
    return forms.IntegerField(
        required=False, min_value=low, max_value=high, widget=UnfoldAdminIntegerFieldWidget()
    )


def _without_zero_decimals(value: Any) -> Any:
    """Return 1300.0 as 1300, as users write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def facts_text(model: RobotModel) -> str:
    """Return what the catalogue states of a model, with units."""
    facts = (
        (model.axes, f"{model.axes} axes"),
        (model.payload_kg, f"{model.payload_kg or 0:g} kg payload"),
        (model.reach_mm, f"{model.reach_mm or 0:g} mm reach"),
    )
    return ", ".join(text for value, text in facts if value is not None)


def _model_suggestions() -> list[tuple[str, str]]:
    return [
        (model.name, f"{profile.name}: {facts_text(model)}")
        for profile in VENDOR_PROFILES.values()
        for model in profile.models
    ]


class RobotForm(ScopedModelForm):
    """Robot form with separate fields for location, configuration and connection."""

    facility = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget())
    area = _text_field()
    cell = _text_field()
    x_m = _number_field("X on the map (m)")
    y_m = _number_field("Y on the map (m)")
    heading = _number_field("Heading (degrees)", help_text="Counter-clockwise from the X axis.")
    map_id = _text_field(label="Map", help_text="Name of the map, if there are several.")
    latitude = _number_field("Latitude (degrees)", min_value=-90, max_value=90)
    longitude = _number_field("Longitude (degrees)", min_value=-180, max_value=180)
    axes = _whole_number_field(1, 12)
    payload = _number_field("Payload (kg)", min_value=0)
    reach = _number_field("Reach (mm)", min_value=0)
    capabilities = forms.MultipleChoiceField(
        required=False, choices=Capability.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    custom_settings = KeyValueField(label="Custom settings")
    protocol = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget())
    host = _text_field(253, help_text="Host name or IP address of the controller.")
    port = _whole_number_field(1, 65535)
    path = _text_field(help_text="Path of a URL, or topic, where the protocol has one.")
    username = _text_field(label="User name")
    use_tls = forms.BooleanField(required=False, label="TLS", widget=UnfoldBooleanSwitchWidget())
    connection_settings = KeyValueField(label="Further settings")

    class Meta:
        model = Robot
        fields = (
            "name", "vendor", "model", "serial_number", "firmware_version", "lifecycle",
            "offline_after_seconds",
        )  # fmt: skip
        help_texts = {
            "model": "Empty axes, payload and reach are filled in from the catalogue of models."
        }
        widgets = {
            "vendor": DatalistInput(list(Vendor.choices)),
            "model": DatalistInput(_model_suggestions()),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "facility" not in self.fields:
            return
        names = restricted(Facility, self.request).values_list("name", flat=True)
        self.fields["facility"].choices = [("", "None"), *((name, name) for name in names)]  # type: ignore[attr-defined]
        self.fields["protocol"].choices = [("", "None"), *self._protocols()]  # type: ignore[attr-defined]
        self.fields["port"].help_text = "Empty: the usual port of the protocol."
        for name, value in self._stored_values().items():
            self.initial.setdefault(name, value)
        self._explain_settings()

    def _protocols(self) -> list[tuple[str, str]]:
        """Return the protocols of the stored vendor, or all protocols."""
        vendor = self.instance.vendor
        if self.is_new or (self.is_bound and self.data.get("vendor") != vendor):
            return list(ConnectionProtocol.choices)
        known = vendor_profile(vendor).protocols
        return [(protocol.value, protocol.label) for protocol in known]

    def _stored_values(self) -> dict[str, Any]:
        location = self.instance.location or {}
        coordinates = location.get("coordinates") or {}
        configuration = self.instance.configuration or {}
        connection = plain_connection(self.instance.connection_config)
        angle = coordinates.get("theta_rad")
        values = {
            **{name: location.get(name) for name in _PLACES},
            **{name: coordinates.get(name) for name in (*_MAP, *_GPS)},
            "heading": None if angle is None else round(math.degrees(angle), 2),
            **{name: configuration.get(name) for name in _FACTS},
            "custom_settings": configuration.get("customSettings") or {},
            **{name: connection.get(name) for name in _CONNECTION},
            "connection_settings": connection.get("settings") or {},
        }
        return {name: _without_zero_decimals(value) for name, value in values.items()}

    def _explain_settings(self) -> None:
        text = "Secrets do not belong here. Save the form to get more rows."
        self.fields["connection_settings"].help_text = text
        if nested := nested_names((self.instance.configuration or {}).get("customSettings")):
            text = f"{', '.join(nested)}: set through the API, and kept."
            self.fields["custom_settings"].help_text = text

    def field_of_error(self, name: str) -> str | None:
        """Return the field that shows the errors of a path."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            if (field := _ERROR_FIELDS.get(".".join(parts[:length]))) in self.fields:
                return field
        return super().field_of_error(name)

    def clean(self) -> dict[str, Any]:
        """Reject two positions at once."""
        values = super().clean()
        if self._filled(_MAP) and self._filled(_GPS):
            message = "Enter a position on a map, or latitude and longitude, not both."
            self.add_error("latitude", message)
        return values

    def _filled(self, names: tuple[str, ...]) -> dict[str, Any]:
        values = {name: self.cleaned_data.get(name) for name in names}
        # A zero is a value; it is equal to False.
        return {n: v for n, v in values.items() if v is not False and v not in _EMPTY[:4]}

    def _is_touched(self, *names: str) -> bool:
        return not set(self.changed_data).isdisjoint(names)

    def service_kwargs(self) -> dict[str, Any]:
        changes = super().service_kwargs()
        if self._is_touched(*_PLACES, *_MAP, *_GPS):
            changes["location"] = self._location()
        if self._is_touched(*_FACTS, "custom_settings"):
            changes["configuration"] = self._configuration()
        if self._is_touched(*_CONNECTION, "connection_settings"):
            changes["connection_config"] = self._connection()
        return changes

    def _location(self) -> dict[str, Any]:
        others = {n: v for n, v in (self.instance.location or {}).items() if n not in _PLACES}
        location = others | self._filled(_PLACES)
        if self._is_touched(*_MAP, *_GPS):
            location.pop("coordinates", None)
            if coordinates := self._coordinates():
                location["coordinates"] = coordinates
        return location

    def _coordinates(self) -> dict[str, Any]:
        coordinates = self._filled(_MAP) or self._filled(_GPS)
        if "heading" in coordinates:
            degrees = coordinates.pop("heading")
            stored = ((self.instance.location or {}).get("coordinates") or {}).get("theta_rad")
            is_same = not self._is_touched("heading")
            coordinates["theta_rad"] = stored if is_same else round(math.radians(degrees), 6)
        return coordinates

    def _configuration(self) -> dict[str, Any]:
        stored = self.instance.configuration or {}
        others = {name: value for name, value in stored.items() if name not in _FACTS}
        configuration = others | self._filled(_FACTS)
        if self._is_touched("custom_settings"):
            texts = self.cleaned_data["custom_settings"]
            configuration["customSettings"] = merged_entries(stored.get("customSettings"), texts)
        return configuration

    def _connection(self) -> dict[str, Any] | None:
        """Return the settings without secrets; None if all are empty."""
        stored = plain_connection(self.instance.connection_config)
        connection = self._filled(_CONNECTION)
        texts = self.cleaned_data["connection_settings"]
        if settings := merged_entries(stored.get("settings"), texts):
            connection["settings"] = settings
        if not connection:
            return None
        if self.cleaned_data.get("use_tls"):
            connection["use_tls"] = True
        if "port" not in connection and (protocol := connection.get("protocol")):
            profile = vendor_profile(self.cleaned_data.get("vendor", ""))
            if (port := profile.default_port(protocol)) is not None:
                connection["port"] = port
        return connection
