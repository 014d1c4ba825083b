"""Fields of a robot's JSON columns, documented by JSON Schemas."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.robots.protocols.settings_schema import CONFIGURATION, CONNECTION, LOCATION
from apps.robots.selectors.connection import displayed_connection


@extend_schema_field(CONFIGURATION)
class ConfigurationField(serializers.DictField):
    """Technical configuration of a robot."""


@extend_schema_field(LOCATION)
class LocationField(serializers.DictField):
    """Location of a robot."""


@extend_schema_field(CONNECTION)
class ConnectionField(serializers.DictField):
    """Connection settings of a robot, without the secrets."""

    def to_representation(self, value: Any) -> Any:
        """Return when each secret was replaced instead of its value."""
        return displayed_connection(value)
