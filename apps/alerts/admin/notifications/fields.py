"""Fields of forms about notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from apps.alerts.choices.alerts import AlertSeverity, AlertType


class LinesField(forms.CharField):
    """A list of texts, one per line."""

    def __init__(self, *, rows: int = 3, placeholder: str = "", **kwargs: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": rows, "placeholder": placeholder})
        super().__init__(required=False, max_length=30_000, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the texts, one per line."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        """Return the texts of the lines that are not blank."""
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def validate(self, value: Any) -> None:
        """Accept any list; the service validates the texts."""

    def run_validators(self, value: Any) -> None:
        """Check the length of all texts together."""
        super().run_validators("\n".join(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the submitted text differs from the initial text."""
        return super().has_changed(self.prepare_value(initial), data)


class ChoicesField(forms.MultipleChoiceField):
    """Check boxes of a list of values."""

    def __init__(self, choices: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(
            choices=choices,
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            **kwargs,
        )


def severities_field() -> ChoicesField:
    """Return the field of a matcher's severities."""
    return ChoicesField(AlertSeverity.choices, help_text="Choose none to match all severities.")


def types_field() -> ChoicesField:
    """Return the field of a matcher's alert types."""
    return ChoicesField(AlertType.choices, help_text="Choose none to match all types.")


def matchers_text(row: Any) -> str:
    """Return the matchers of a route or silence in words."""
    parts = [
        ", ".join(AlertSeverity(value).label for value in row.severities),
        ", ".join(AlertType(value).label for value in row.types),
        str(row.facility or ""),
        str(getattr(row, "robot", None) or ""),
    ]
    return "; ".join(part for part in parts if part) or "all alerts"
