"""The time range of a page, read from its query string."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from urfmp.common.db.fields import validate_datetime_range

PRESETS = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 h", timedelta(hours=1)),
    "6h": ("6 h", timedelta(hours=6)),
    "24h": ("24 h", timedelta(hours=24)),
    "7d": ("7 d", timedelta(days=7)),
    "30d": ("30 d", timedelta(days=30)),
    "1y": ("1 y", timedelta(days=365)),
}
CUSTOM = "custom"


class RangeForm(forms.Form):
    """A preset range that ends now, or a custom range.

    Custom times are in the organization's timezone.
    """

    range = forms.ChoiceField(required=False)
    start = forms.DateTimeField(required=False, validators=[validate_datetime_range])
    end = forms.DateTimeField(required=False, validators=[validate_datetime_range])

    def __init__(self, data: Any, *, default: str, presets: Sequence[str] = tuple(PRESETS)) -> None:
        """Set the presets on offer and the default."""
        super().__init__(data)
        self.default = default
        self.presets = {key: PRESETS[key][0] for key in presets}
        self.fields["range"].choices = [*self.presets.items(), (CUSTOM, "")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that a custom range has a start before its end."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("range") == CUSTOM:
            start, end = values.get("start"), values.get("end")
            if start is None or end is None or start >= end:
                self.add_error("range", "Enter a start, and an end after it.")
        return values

    @property
    def selected(self) -> str:
        """Key of the selected preset, or `custom`. Invalid values select the default."""
        return (self.cleaned_data["range"] if self.is_valid() else "") or self.default

    def bounds(self, now: datetime | None = None) -> tuple[datetime, datetime]:
        """Return the start and the end of the range."""
        if self.selected == CUSTOM:
            return self.cleaned_data["start"], self.cleaned_data["end"]
        now = now or timezone.now()
        return now - PRESETS[self.selected][1], now
