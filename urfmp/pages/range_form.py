"""From when to when a page shows something, as its address says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from urfmp.common.db.fields import validate_moment

PRESETS = {
    "15m": ("15 min", timedelta(minutes=15)),
    "1h": ("1 h", timedelta(hours=1)),
    "6h": ("6 h", timedelta(hours=6)),
    "24h": ("24 h", timedelta(hours=24)),
    "7d": ("7 d", timedelta(days=7)),
    "30d": ("30 d", timedelta(days=30)),
    "1y": ("1 y", timedelta(days=365)),
}
OWN = "own"


class RangeForm(forms.Form):
    """One of the presets up to now, or two times of one's own in the viewer's timezone."""

    range = forms.ChoiceField(required=False)
    start = forms.DateTimeField(required=False, validators=[validate_moment])
    end = forms.DateTimeField(required=False, validators=[validate_moment])

    def __init__(self, data: Any, *, default: str, presets: Sequence[str] = tuple(PRESETS)) -> None:
        """Offer some of the presets; `default` counts where the address names none."""
        super().__init__(data)
        self.default = default
        self.presets = {key: PRESETS[key][0] for key in presets}
        self.fields["range"].choices = [*self.presets.items(), (OWN, "")]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Check that an own range is one."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("range") == OWN:
            start, end = values.get("start"), values.get("end")
            if start is None or end is None or start >= end:
                self.add_error("range", "Give a start, and an end after it.")
        return values

    @property
    def chosen(self) -> str:
        """The preset's key, or `own`; what cannot be read counts as not said."""
        return (self.cleaned_data["range"] if self.is_valid() else "") or self.default

    def limits(self, now: datetime | None = None) -> tuple[datetime, datetime]:
        """Return start and end."""
        if self.chosen == OWN:
            return self.cleaned_data["start"], self.cleaned_data["end"]
        now = now or timezone.now()
        return now - PRESETS[self.chosen][1], now
