"""Template tags of alerts."""

from __future__ import annotations

from typing import Any

from django import template

from urfmp.pages.selectors.alert_counts import header_counts

register = template.Library()


@register.inclusion_tag("pages/inc/alert_counts.html", takes_context=True)
def alert_counts(context: Any) -> dict[str, Any]:
    """Return the counts of open alerts, or None for roles without alerts."""
    return {"counts": header_counts(context["request"].user)}
