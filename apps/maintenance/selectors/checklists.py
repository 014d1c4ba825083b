"""Checklists and files of tasks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.maintenance.choices import StepKind
from apps.maintenance.models import MaintenanceTask, TaskFile, TaskStep, TemplatePart
from urfmp.common.rendering.formats import format_number


def number_text(number: Decimal, unit: str | None = None) -> str:
    """Return a number with its unit, without trailing zeros."""
    text = f"{number:f}"
    decimals = len(text.rstrip("0").partition(".")[2]) if "." in text else 0
    shown = format_number(float(number), decimals)
    return f"{shown} {unit}" if unit else shown


def limits_text(step: Any) -> str:
    """Return the limits of a step; empty if it has none."""
    low, high = step.minimum, step.maximum
    if low is not None and high is not None:
        return f"{number_text(low)} to {number_text(high, step.unit)}"
    if low is not None:
        return f"at least {number_text(low, step.unit)}"
    return "" if high is None else f"at most {number_text(high, step.unit)}"


def step_result_text(step: TaskStep) -> str:
    """Return what was recorded for a step; empty if nothing was."""
    if step.outcome is None:
        return "nothing"
    if step.number is not None:
        return number_text(step.number, step.unit)
    if step.kind == StepKind.PASS_FAIL:
        return step.get_outcome_display().lower()
    return "photo" if step.kind == StepKind.PHOTO else str(step.text)


def task_steps(task: MaintenanceTask) -> list[TaskStep]:
    """Return the checklist of a task, in its order."""
    return list(TaskStep.objects.filter(task=task).select_related("recorded_by", "follow_up"))


def task_files(task: MaintenanceTask) -> list[TaskFile]:
    """Return the files of a task and its steps, without content."""
    return list(TaskFile.objects.filter(task=task).without_content().select_related("uploaded_by"))


def planned_parts(task: MaintenanceTask) -> list[TemplatePart]:
    """Return the parts that the task's template names."""
    if task.template_id is None:
        return []
    rows = TemplatePart.objects.filter(template_id=task.template_id)
    return list(rows.select_related("part"))
