"""The timeline on a task's page."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.maintenance.choices import TaskEventKind
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.events import task_timeline
from urfmp.common.rendering.html import datetime_html


def timeline_html(task: MaintenanceTask) -> SafeString:
    """Return a task's events as a list, newest first, down to its creation."""
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
