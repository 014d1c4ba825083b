"""Template filters of the lists."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from unfold.templatetags.unfold_list import CHECKBOX_CLASSES, LINK_CLASSES, ROW_CLASSES
from unfold.widgets import CHECKBOX_CLASSES as BOX_CLASSES

register = template.Library()

# The theme repeats up to 700 characters of classes in every cell. The style sheet has rules for
# the short names instead.
_SHORT_CLASSES = (
    (" ".join(ROW_CLASSES), "u-cell"),
    (" ".join(CHECKBOX_CLASSES), "u-cell action-checkbox"),
    (f'class="{escape(" ".join(BOX_CLASSES))} ', 'class="'),
    (f' class="{" ".join(LINK_CLASSES)}" ', ' class="u-cell__link"'),
    (' data-label="Select record"', ""),  # the label of the check box itself
)


@register.filter
def short_classes(cell: Any) -> SafeString:
    """Return a rendered cell of a list with short names of classes."""
    html = str(cell)
    for long, short in _SHORT_CLASSES:
        html = html.replace(long, short)
    return mark_safe(html)  # noqa: S308 - rendered by the theme
