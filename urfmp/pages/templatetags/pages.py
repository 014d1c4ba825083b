"""Template tags and filters of the pages. The admin shares their HTML."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString

from urfmp.common.rendering import formats, html
from urfmp.pages import trail
from urfmp.pages.range_form import PRESETS

register = template.Library()

register.simple_tag(html.badge, name="badge")
register.filter("moment", html.datetime_html)
register.simple_tag(html.difference_table, name="difference")
register.filter("duration", formats.format_duration)
register.filter("clock", formats.format_clock)
register.filter("time_of_day", formats.format_time_of_day)
register.filter("iso", formats.format_iso)
register.filter("exact", formats.format_exact_datetime)
register.filter("day", formats.format_date)
register.filter("month", formats.format_month)
register.filter("number", formats.format_number)
register.filter("measured", formats.format_value)
register.filter("percent", formats.format_share)
register.filter("bytes", formats.format_bytes)
register.filter("money", formats.format_money)
register.simple_tag(trail.page_trail, takes_context=True, name="page_trail")


@register.simple_tag(takes_context=True)
def page_title(context: Any) -> str:
    """Return the text of the browser tab."""
    return trail.page_trail(context).document_title


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Return a time relative to now, such as "5 min ago"."""
    return html.relative_time_html(value)


@register.filter
def mean_duration(value: timedelta | None) -> str:
    """Return a duration, or a dash if there is nothing to average."""
    return formats.NOTHING if value is None else formats.format_duration(value)


@register.filter(name="json")
def as_json(value: Any) -> str:
    """Return a value as JSON for a data attribute."""
    return json.dumps(value)


@register.filter
def preset_seconds(key: str) -> int:
    """Return the length of a preset range in seconds."""
    return int(PRESETS[key][1].total_seconds())


@register.filter
def changed(entry: Any) -> str:
    """Return the changed field names of an audit row.

    Rows that were created or deleted as a whole return an empty string.
    """
    if entry.before is None or entry.after is None:
        return ""
    names = sorted({**(entry.before or {}), **(entry.after or {})})
    return ", ".join(name.replace("_", " ") for name in names)
