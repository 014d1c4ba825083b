"""Template tags of the pages; what they draw is shared with the admin."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.utils.safestring import SafeString

from urfmp.common.rendering import html
from urfmp.pages.range_form import PRESETS

register = template.Library()

register.simple_tag(html.badge, name="badge")
register.filter("moment", html.moment)
register.filter("clock", html.clock)
register.simple_tag(html.difference, name="difference")
register.filter("duration", html.duration)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Return a time as a distance from now."""
    return html.ago(value)


@register.filter
def measured(value: float | None) -> str:
    """Return a measured value with three significant digits, whole above 100."""
    if value is None:
        return html.NOTHING
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@register.filter(name="json")
def as_json(value: Any) -> str:
    """Return a value as JSON, for an attribute that a script reads."""
    return json.dumps(value)


@register.filter
def preset_seconds(key: str) -> int:
    """Return how long one of the preset ranges is."""
    return int(PRESETS[key][1].total_seconds())


@register.filter
def percent(value: float | None) -> str:
    """Return a share from 0 to 1 in percent, rounded away from neither end."""
    if value is None:
        return html.NOTHING
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"


@register.filter
def changed(entry: Any) -> str:
    """Return the names of the fields that a recorded change touched; none for a whole row."""
    if entry.before is None or entry.after is None:
        return ""
    names = sorted({**(entry.before or {}), **(entry.after or {})})
    return ", ".join(name.replace("_", " ") for name in names)
