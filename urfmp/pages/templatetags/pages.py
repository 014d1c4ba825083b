"""Template tags and filters of the pages. The admin shares their HTML."""

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
register.filter("moment", html.datetime_html)
register.filter("clock", html.format_local_datetime)
register.simple_tag(html.difference_table, name="difference")
register.filter("duration", html.format_duration)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Return a time relative to now, such as "5 min ago"."""
    return html.relative_time_html(value)


@register.filter
def measured(value: float | None) -> str:
    """Format a value with three significant digits, above 100 as an integer."""
    if value is None:
        return html.NOTHING
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@register.filter(name="json")
def as_json(value: Any) -> str:
    """Return a value as JSON for a data attribute."""
    return json.dumps(value)


@register.filter
def preset_seconds(key: str) -> int:
    """Return the length of a preset range in seconds."""
    return int(PRESETS[key][1].total_seconds())


@register.filter
def percent(value: float | None) -> str:
    """Format a share from 0 to 1 in percent.

    Values close to 0 or 1 are not rounded to exactly 0 % or 100 %.
    """
    if value is None:
        return html.NOTHING
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"


@register.filter
def changed(entry: Any) -> str:
    """Return the changed field names of an audit row.

    Rows that were created or deleted as a whole return an empty string.
    """
    if entry.before is None or entry.after is None:
        return ""
    names = sorted({**(entry.before or {}), **(entry.after or {})})
    return ", ".join(name.replace("_", " ") for name in names)
