"""Fields that several serializers of notifications have."""

from __future__ import annotations

from rest_framework import serializers

from apps.alerts.choices.alerts import AlertSeverity, AlertType


def severities_field() -> serializers.ListField:
    """Return the field of a matcher's severities."""
    return serializers.ListField(
        child=serializers.ChoiceField(AlertSeverity.choices),
        required=False,
        max_length=len(AlertSeverity),
        help_text="Severities that match; an empty list matches all.",
    )


def types_field() -> serializers.ListField:
    """Return the field of a matcher's alert types."""
    return serializers.ListField(
        child=serializers.ChoiceField(AlertType.choices),
        required=False,
        max_length=len(AlertType),
        help_text="Types that match; an empty list matches all.",
    )
