"""HTML snippets for admin and pages.

Colours and icons of badges are in the CSS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from urfmp.common.rendering.diffs import differences
from urfmp.common.rendering.formats import (
    NOTHING,
    format_datetime,
    format_exact_datetime,
    format_iso,
    format_number,
    relative_time,
)

_FOLD_CHARACTERS = 240
_FOLD_LINES = 8
# Texts and words above these push other columns off a list.
_MAX_LIST_CHARS = 40
_MAX_WORD_CHARS = 24
_MARKS = {"added": "+", "removed": "\u2212", "changed": "\u2260"}


def badge(family: str, value: str | None, label: str) -> SafeString:
    """Return a coloured label; the style sheet adds an icon.

    Args:
        family: Kind of value: `status`, `severity`, `priority`, `task` or `command`.
        value: Stored value, which selects colour and icon.
        label: Text of the badge.
    """
    return format_html(
        '<span class="u-badge" data-family="{}" data-value="{}">{}</span>',
        family,
        value or "",
        label,
    )


def clipped(text: str) -> SafeString | str:
    """Return a text for a list; a long one takes two lines."""
    if len(text) <= _MAX_LIST_CHARS and all(len(word) <= _MAX_WORD_CHARS for word in text.split()):
        return text
    return format_html('<span class="u-clip" title="{}">{}</span>', text, text)


def datetime_html(value: datetime | None) -> SafeString | str:
    """Return a datetime as HTML, with the exact time as title."""
    if value is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        format_iso(value),
        format_exact_datetime(value),
        format_datetime(value),
    )


def relative_time_html(value: datetime | None, never: str = "never") -> SafeString | str:
    """Return a relative time, which the page's script keeps up to date."""
    if value is None:
        return never
    return format_html(
        '<time class="u-ago" datetime="{}" title="{}">{}</time>',
        format_iso(value),
        format_exact_datetime(value),
        relative_time(value),
    )


def value_text(value: Any) -> str:
    """Return an audited value as text.

    Nested values are JSON, empty ones a dash.
    """
    if value is None or value == "":
        return NOTHING
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def preformatted(value: Any) -> SafeString:
    """Return an audited value with its line breaks."""
    return format_html('<pre class="u-pre">{}</pre>', value_text(value or None))


def _value_html(value: Any, names: Mapping[str, str]) -> SafeString:
    """Return a value as HTML.

    Long values are folded, and known ids have their name.
    """
    if isinstance(value, str) and value in names:
        return format_html(
            '{} <span class="u-diff-id">{}</span>', names[value], f"{value[:8]}\u2026"
        )
    text = value_text(value)
    if len(text) <= _FOLD_CHARACTERS and text.count("\n") < _FOLD_LINES:
        return format_html("{}", text)
    start = " ".join(text[:_FOLD_CHARACTERS].split())[:60]
    return format_html(
        "<details><summary>{}\u2026 ({} characters)</summary>{}</details>",
        start,
        format_number(len(text)),
        text,
    )


def difference_table(
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    names: Mapping[str, str] | None = None,
) -> SafeString:
    """Return an HTML table of the values that an audited change altered.

    Args:
        before: Audited values before the change; None if the row was created.
        after: Audited values after the change; None if the row was deleted.
        names: Names of ids among the values.
    """
    found = differences(before, after)
    if not found:
        return format_html('<p class="u-muted">{}</p>', "This entry has no field values.")
    rows = format_html_join(
        "",
        '<tr data-kind="{}"><th scope="row">{}<span class="u-diff-kind">{}</span></th>'
        '<td class="u-diff-old">{}</td><td class="u-diff-new">{}</td></tr>',
        (
            (
                item.kind,
                item.path,
                f"{_MARKS[item.kind]} {item.kind}",
                _value_html(item.before, names or {}),
                _value_html(item.after, names or {}),
            )
            for item in found
        ),
    )
    return format_html(
        '<div class="u-scroll"><table class="u-table u-diff"><thead><tr><th scope="col">Field</th>'
        '<th scope="col">Before</th><th scope="col">After</th></tr></thead>'
        "<tbody>{}</tbody></table></div>",
        rows,
    )
