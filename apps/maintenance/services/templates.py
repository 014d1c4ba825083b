"""Create and change templates of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from apps.maintenance.models import Part, TaskTemplate, TemplatePart, TemplateStep
from apps.maintenance.models.templates import (
    MAX_PARTS,
    MAX_SKILL_CHARS,
    MAX_SKILLS,
    MAX_STEPS,
    SAME_TITLE_MESSAGE,
)
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.db.names import name_error, normalize_name
from urfmp.common.tenancy.context import audit_action


@dataclass(frozen=True)
class StepDraft:
    """A step of a checklist as entered.

    Attributes:
        title: What to check or to record.
        kind: One of `StepKind`.
        unit: Unit of a number or of a meter.
        minimum: Lower limit of a number; below it, the step fails.
        maximum: Upper limit of a number.
        is_required: Whether a task cannot be completed without it.
    """

    title: str
    kind: str
    unit: str | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    is_required: bool = True


@dataclass(frozen=True)
class PartDraft:
    """A part that the work needs, and how much of it."""

    part: Part
    quantity: Decimal


def _unique_title() -> AbstractContextManager[None]:
    return unique_error_on("title", SAME_TITLE_MESSAGE, "task_templates_organization_title_key")


def template_create(
    *,
    organization_id: UUID,
    steps: Sequence[StepDraft] = (),
    parts: Sequence[PartDraft] = (),
    **fields: Any,
) -> TaskTemplate:
    """Create a template with its checklist and its parts.

    Raises:
        ValidationError: A field, a step or a part is invalid, or the title is taken.
    """
    template = TaskTemplate(organization_id=organization_id, **fields)
    with _unique_title(), audit_action("maintenance.task_template.create"):
        _check(template)
        template.save(force_insert=True)
        _save_steps(template, steps)
        _save_parts(template, parts)
    return template


def template_update(
    template: TaskTemplate,
    *,
    steps: Sequence[StepDraft] | None = None,
    parts: Sequence[PartDraft] | None = None,
    **changes: Any,
) -> TaskTemplate:
    """Change a template; the tasks made from it keep their steps.

    The row is locked, so that the steps of two users who save at the same time are not mixed.

    Args:
        template: Template to change.
        steps: Its new checklist; None to keep the present one.
        parts: Its new parts; None to keep the present ones.
        **changes: New values of fields.

    Raises:
        ValidationError: A field, a step or a part is invalid, or the title is taken.
    """
    with _unique_title(), audit_action("maintenance.task_template.update"):
        template = TaskTemplate.objects.select_for_update().get(pk=template.pk)
        for name, value in changes.items():
            setattr(template, name, value)
        _check(template)
        template.save()
        if steps is not None:
            template.steps.all().delete()
            _save_steps(template, steps)
        if parts is not None:
            template.parts.all().delete()
            _save_parts(template, parts)
        template.refresh_from_db(fields=["updated_at"])
    return template


def _check(template: TaskTemplate) -> None:
    skills = [normalize_name(skill) for skill in template.skills or () if skill.strip()]
    template.skills = list(dict.fromkeys(skills))
    if len(template.skills) > MAX_SKILLS:
        raise ValidationError({"skills": f"Enter at most {MAX_SKILLS} skills."})
    for skill in template.skills:
        if len(skill) > MAX_SKILL_CHARS:
            msg = f"Enter at most {MAX_SKILL_CHARS} characters for a skill."
            raise ValidationError({"skills": msg})
        if message := name_error(skill):
            raise ValidationError({"skills": message})
    template.full_clean()


def _save_steps(template: TaskTemplate, drafts: Sequence[StepDraft]) -> None:
    if len(drafts) > MAX_STEPS:
        raise ValidationError({"steps": f"Enter at most {MAX_STEPS} steps."})
    rows = [
        TemplateStep(
            organization_id=template.organization_id,
            template=template,
            position=number,
            title=draft.title,
            kind=draft.kind,
            unit=draft.unit or None,
            minimum=draft.minimum,
            maximum=draft.maximum,
            is_required=draft.is_required,
        )
        for number, draft in enumerate(drafts, start=1)
    ]
    _clean("steps", "Step", rows)
    TemplateStep.objects.bulk_create(rows)


def _save_parts(template: TaskTemplate, drafts: Sequence[PartDraft]) -> None:
    if len(drafts) > MAX_PARTS:
        raise ValidationError({"parts": f"Enter at most {MAX_PARTS} parts."})
    numbers = [draft.part.pk for draft in drafts]
    if len(set(numbers)) < len(numbers):
        raise ValidationError({"parts": "Enter each part once."})
    for draft in drafts:
        if draft.part.organization_id != template.organization_id:
            raise ValidationError({"parts": "Part not found."})
    rows = [
        TemplatePart(
            organization_id=template.organization_id,
            template=template,
            part=draft.part,
            quantity=draft.quantity,
        )
        for draft in drafts
    ]
    _clean("parts", "Part", rows)
    TemplatePart.objects.bulk_create(rows)


def _clean(field: str, noun: str, rows: Iterable[Any]) -> None:
    """Validate rows of a template without a query for each.

    Raises:
        ValidationError: One is invalid; the message names its place in the list.
    """
    errors = []
    for number, row in enumerate(rows, start=1):
        try:
            row.clean_fields(exclude=("organization", "template", "part"))
            row.validate_constraints(exclude=("organization", "template", "position", "part"))
        except ValidationError as error:
            errors += [f"{noun} {number}: {text}" for text in _texts(error)]
    if errors:
        raise ValidationError({field: errors})


def _texts(error: ValidationError) -> list[str]:
    return [
        text if name == "__all__" else f"{name.replace('_', ' ')}: {text}"
        for name, texts in error.message_dict.items()
        for text in texts
    ]
