"""Datetimes in requests, which must have a UTC offset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from urfmp.common.time.zones import validate_timezone

NEEDS_OFFSET = "Enter a datetime with its offset, such as 2026-01-31T14:30:00Z or with +02:00."


class AwareDateTimeField(serializers.DateTimeField):
    """A datetime with offset; DRF's own reads one without as UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the aware datetime.

        Raises:
            ValidationError: The value is not a datetime or has no offset.
        """
        if isinstance(value, str) and _is_naive(value):
            raise serializers.ValidationError(NEEDS_OFFSET)
        return super().to_internal_value(value)


class TimezoneParameter(serializers.CharField):
    """An IANA name of a timezone; the default is UTC."""

    def __init__(self, **kwargs: Any) -> None:
        """Validate the name."""
        super().__init__(default="UTC", max_length=64, validators=[validate_timezone], **kwargs)


def _is_naive(text: str) -> bool:
    try:
        return timezone.is_naive(datetime.fromisoformat(text.strip()))
    except ValueError:
        return False
