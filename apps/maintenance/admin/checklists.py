"""The checklist and the files on a task's page, for its reader."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.maintenance.models import MaintenanceTask, TaskStep
from apps.maintenance.selectors.checklists import (
    limits_text,
    step_result_text,
    task_files,
    task_steps,
)
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import datetime_html


def checklist_html(task: MaintenanceTask) -> SafeString | str:
    """Return the steps of a task and what was recorded for them."""
    rows = format_html_join("", "<li>{}</li>", ((_step_html(step),) for step in task_steps(task)))
    return format_html('<ol class="u-rows">{}</ol>', rows) if rows else NOTHING


def _step_html(step: TaskStep) -> SafeString:
    facts: list[SafeString | str] = [limits_text(step), "" if step.is_required else "optional"]
    result = "Not recorded"
    if step.outcome is not None:
        result = step_result_text(step).capitalize() if step.number is None else (
            f"{step_result_text(step)}, {step.get_outcome_display().lower()}"
        )  # fmt: skip
        facts += [datetime_html(step.recorded_at), str(step.recorded_by or "")]
    if step.follow_up_id is not None:
        page = reverse("admin:maintenance_maintenancetask_change", args=[step.follow_up_id])
        facts.append(format_html('<a class="u-link" href="{}">Follow-up task</a>', page))
    return format_html(
        '<div class="u-rows__main"><span class="u-strong">{}</span><p class="u-rows__text">{}</p>'
        '<div class="u-rows__meta">{}</div></div>',
        step.title,
        result,
        format_html_join("", "<span>{}</span>", ((fact,) for fact in facts if fact)),
    )


def files_html(task: MaintenanceTask) -> SafeString | str:
    """Return links to the files of a task and of its steps."""
    rows = format_html_join(
        "",
        '<div><a class="u-link" href="{}">{}</a></div>',
        (
            (reverse("admin:task_file_page", args=[file.pk]), file.file_name)
            for file in task_files(task)
        ),
    )
    return rows or NOTHING
