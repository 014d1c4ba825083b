"""The time range of a page, read from its query string."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from urfmp.common.time.fields import LocalDateTimeField, naive_time, split_local
from urfmp.common.time.local import offset_choices

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
_LABELS = {"start": "From", "end": "To"}


class LocalRangeForm(forms.Form):
    """A start and an end: local times, or times with offset."""

    start = LocalDateTimeField()
    end = LocalDateTimeField(is_end=True)

    def inputs(self, shown: dict[str, datetime]) -> list[dict[str, Any]]:
        """Return what a template shows of each bound.

        Args:
            shown: Times to show where the user has entered none.
        """
        return [self._input(name, shown[name]) for name in _LABELS]

    def _input(self, name: str, shown: datetime) -> dict[str, Any]:
        field = self.fields[name]
        text = self.data.get(name, "") if self.is_bound else ""
        typed = field.widget.value_from_datadict(self.data, {}, name) if text else ""
        errors: Any = self.errors.get(name, [])
        try:
            instant = field.clean(typed) if typed else shown
        except forms.ValidationError:
            instant = None
        if instant is None:
            return {"name": name, "label": _LABELS[name], "value": text, "errors": errors}
        day, clock, offset = split_local(instant)
        choices = offset_choices(naive_time(day, clock))
        return {
            "name": name,
            "label": _LABELS[name],
            "value": f"{day}T{clock.isoformat('seconds' if clock.second else 'minutes')}",
            "errors": errors,
            "offsets": [(value, label, value == offset) for value, label in choices],
        }


class RangeForm(LocalRangeForm):
    """A preset range that ends now, or a custom range.

    Custom times are in the user's timezone.
    """

    range = forms.ChoiceField(required=False)
    start = LocalDateTimeField(required=False)
    end = LocalDateTimeField(required=False, is_end=True)

    def __init__(self, data: Any, *, default: str, presets: Sequence[str] = tuple(PRESETS)) -> None:
        """Set the presets on offer and the default."""
        super().__init__(data)
        self.default = default
        self.presets = {key: PRESETS[key][0] for key in presets}
        self.fields["range"].choices = [*self.presets.items(), (CUSTOM, "")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that a custom range has a start before its end."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("range") == CUSTOM and not self.errors:
            start, end = values.get("start"), values.get("end")
            if start is None or end is None or start >= end:
                self.add_error("range", "Enter a start, and an end after it.")
        return values

    @property
    def messages(self) -> list[str]:
        """Errors of the range and its bounds."""
        bounds = [
            f"{label}: {e}" for name, label in _LABELS.items() for e in self.errors.get(name, ())
        ]
        return [*self.errors.get("range", ()), *bounds]

    @property
    def is_custom(self) -> bool:
        """The user has asked for a custom range, valid or not."""
        return bool(self.data.get("range") == CUSTOM)

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
