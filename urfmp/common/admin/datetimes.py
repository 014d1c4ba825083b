"""Input of a date and a time in the admin."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.forms import MultiWidget
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTimeWidget,
)

from urfmp.common.time.fields import REPEATED_TIME_LABEL, naive_time, split_local
from urfmp.common.time.local import offset_choices


class LocalSplitDateTimeWidget(UnfoldAdminSplitDateTimeWidget):
    """Date and time, with a choice of the offset of repeated times."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        """Create the three inputs."""
        widgets = (
            UnfoldAdminDateWidget(attrs={"placeholder": "Date"}),
            UnfoldAdminTimeWidget(attrs={"placeholder": "Time"}),
            UnfoldAdminSelectWidget(attrs={"aria-label": REPEATED_TIME_LABEL}),
        )
        MultiWidget.__init__(self, widgets, attrs)

    def decompress(self, value: Any) -> list[Any]:
        """Return the values of the inputs."""
        return split_local(value) if isinstance(value, datetime) else [None, None, ""]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Return the context, with the third input apart."""
        parts = value if isinstance(value, list | tuple) else self.decompress(value)
        choices = offset_choices(naive_time(*parts[:2]))
        chosen = parts[2] if len(parts) > 2 else ""
        if choices and chosen not in dict(choices):
            choices = [("", "Choose"), *choices]
        self.widgets[2].choices = choices
        context: dict[str, Any] = super().get_context(name, [*parts[:2], chosen], attrs)
        context["offset"] = context["widget"]["subwidgets"].pop() if choices else None
        return context

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Render the inputs; the third one only if there is a choice."""
        context = self.get_context(name, value, attrs)
        html: SafeString = self._render(self.template_name, context, renderer)
        if context["offset"] is None:
            return html
        offset = context["offset"]
        select = self._render(offset["template_name"], {"widget": offset}, renderer)
        return format_html('{}<div class="u-repeated">{}</div>', html, select)
