"""The timeline and the work on a task's page."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.maintenance.choices import TaskEventKind
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.events import task_timeline
from apps.maintenance.selectors.labour import labour_totals
from urfmp.common.rendering.formats import NOTHING, format_duration
from urfmp.common.rendering.html import datetime_html


def timeline_html(task: MaintenanceTask) -> SafeString:
    """Return a task's events and its creation, newest first."""
    entries = [
        (
            TaskEventKind(event.kind).label,
            event.text,
            event.created_at,
            str(event.user) if event.user_id else "",
        )
        for event in task_timeline(task)
    ]
    entries.append(("Created", "", task.created_at, str(task.created_by)))
    items = format_html_join(
        "",
        '<li><div class="u-rows__main"><span class="u-strong">{}</span>{}'
        '<div class="u-rows__meta">{}<span>{}</span></div></div></li>',
        (
            (
                title,
                format_html('<p class="u-rows__text">{}</p>', text) if text else "",
                datetime_html(at),
                user,
            )
            for title, text, at, user in entries
        ),
    )
    return format_html('<ol class="u-rows">{}</ol>', items)


def labour_html(task: MaintenanceTask) -> SafeString | str:
    """Return the time that each user has worked on a task."""
    totals = labour_totals(task)
    if not totals:
        return NOTHING
    items = format_html_join(
        "",
        "<li>{}: {}{}</li>",
        (
            (
                str(total.user or "An API key"),
                format_duration(total.time),
                ", working now" if total.is_running else "",
            )
            for total in totals
        ),
    )
    return format_html('<ul class="u-usage">{}</ul>', items)
