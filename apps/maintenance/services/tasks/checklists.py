"""The checklists of tasks: their steps are copies of a template's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from apps.maintenance.exceptions import ChecklistIncompleteError
from apps.maintenance.models import MaintenanceTask, TaskStep, TaskTemplate, TemplateStep

_COPIED = ("organization_id", "position", "title", "kind", "unit", "minimum", "maximum",
           "is_required")  # fmt: skip
_MAX_NAMED_STEPS = 3


def task_steps_copy(tasks: Sequence[MaintenanceTask]) -> None:
    """Give new tasks the steps of their templates.

    Args:
        tasks: Tasks that the same transaction has created.
    """
    template_ids = {task.template_id for task in tasks if task.template_id is not None}
    if not template_ids:
        return
    steps: dict[Any, list[TemplateStep]] = defaultdict(list)
    for step in TemplateStep.objects.filter(template_id__in=template_ids):
        steps[step.template_id].append(step)
    TaskStep.objects.bulk_create(
        TaskStep(task=task, **{name: getattr(step, name) for name in _COPIED})
        for task in tasks
        for step in steps[task.template_id]
    )


def check_template(template: TaskTemplate | None, organization_id: Any) -> None:
    """Reject a template that is inactive or belongs to another organization.

    Raises:
        ValidationError: New tasks cannot be made from it.
    """
    if template is None:
        return
    if template.organization_id != organization_id:
        raise ValidationError({"template": "Template not found."})
    if not template.is_active:
        raise ValidationError({"template": "The template is inactive. Activate it first."})


def require_steps(task: MaintenanceTask) -> None:
    """Reject a completion before the required steps are recorded.

    The caller has locked the task, as every entry does.

    Raises:
        ChecklistIncompleteError: Steps are missing; the message names them.
    """
    titles = list(TaskStep.objects.filter(task=task).missing().values_list("title", flat=True))
    if not titles:
        return
    named = ", ".join(f'"{title}"' for title in titles[:_MAX_NAMED_STEPS])
    rest = len(titles) - _MAX_NAMED_STEPS
    more = f" and {rest} more" if rest > 0 else ""
    noun = "step" if len(titles) == 1 else "steps"
    msg = f"Record the required {noun} first: {named}{more}."
    raise ChecklistIncompleteError(msg)
