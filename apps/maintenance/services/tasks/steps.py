"""Record the steps of checklists, and open follow-up tasks for failed ones."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services.users import system_user_get
from apps.maintenance.choices import (
    MAX_STEP_TEXT_CHARS,
    MaintenanceAction,
    StepKind,
    StepOutcome,
    allows,
)
from apps.maintenance.exceptions import StepConflictError, TaskStateError
from apps.maintenance.models import MaintenanceTask, TaskStep
from apps.maintenance.selectors.checklists import step_result_text
from apps.maintenance.services.task_locking import task_lock
from apps.maintenance.services.tasks.editing import task_create
from apps.maintenance.services.tasks.events import checked_text
from apps.organizations.choices import MaintenanceType
from apps.robots.services.robots import require_in_service
from urfmp.common.tenancy.context import audit_action

_MAX_NUMBER = Decimal(10) ** 12
_STEP = Decimal("0.001")
_MAX_TITLE_CHARS = 255
_RESULT_FIELDS = ["outcome", "number", "text", "recorded_at", "recorded_by", "version"]


@dataclass(frozen=True)
class StepEntry:
    """What is recorded for a step; each kind uses one of them.

    Attributes:
        outcome: One of `StepOutcome`, for pass or fail.
        number: Number or meter reading, in the step's unit.
        text: Text.
    """

    outcome: str | None = None
    number: Decimal | None = None
    text: str | None = None


def task_step_record(
    step: TaskStep, entry: StepEntry, user: User | None = None, *, version: int | None = None
) -> TaskStep:
    """Record the result of a step, or replace it.

    A number outside its limits fails. The task's row is locked, against a completion meanwhile and
    against a second entry with the same version.

    Args:
        step: Step of a task in progress.
        entry: What its kind needs.
        user: User who records it; None for an API key.
        version: Version of the step that the user has seen; None to replace any.

    Raises:
        StepConflictError: Another entry was recorded after that version.
        TaskStateError: The task is not in progress.
        ValidationError: The entry does not fit the step.
    """
    with audit_action("maintenance.task_step.record"):
        step = step_lock(step)
        outcome, number, text = _checked(step, entry)
        is_same = (step.outcome, step.number, step.text) == (outcome, number, text)
        if is_same:
            return step
        if version is not None and version != step.version:
            msg = (
                f'"{step.title}" was recorded meanwhile: {step_result_text(step)}'
                f"{f' by {step.recorded_by}' if step.recorded_by_id else ''}."
                " Your entry was not saved."
            )
            raise StepConflictError(msg, version=step.version)
        step.outcome, step.number, step.text = outcome, number, text
        step_save(step, user)
    return step


def step_lock(step: TaskStep) -> TaskStep:
    """Lock the task of a step, and return the step as stored.

    Raises:
        TaskStateError: The task is not in progress.
    """
    task = task_lock(step.task)
    if not allows(MaintenanceAction.RECORD_STEP, task.status):
        state = task.get_status_display().lower()
        msg = f"The task is {state}. Steps are recorded while it is in progress."
        raise TaskStateError(msg)
    locked: TaskStep = TaskStep.objects.get(pk=step.pk)
    locked.task = task
    return locked


def step_save(step: TaskStep, user: User | None) -> None:
    """Save an entry, or none, of a step whose task is locked."""
    step.recorded_at = timezone.now() if step.outcome else None
    step.recorded_by = user if step.outcome else None
    step.version += 1
    step.save(update_fields=_RESULT_FIELDS)


def task_step_follow_up(step: TaskStep, user: User | None = None) -> MaintenanceTask:
    """Open a corrective task for a failed step.

    The robot's row is locked first, as a retirement locks it before its tasks.

    Args:
        step: Failed step without a follow-up task.
        user: Author; None for an API key.

    Raises:
        TaskStateError: The step has not failed, or it has a follow-up task.
        ValidationError: The robot is retired.
    """
    with audit_action("maintenance.task_step.follow_up"):
        require_in_service(step.task.robot)
        task = task_lock(step.task)
        step = TaskStep.objects.get(pk=step.pk)
        if step.outcome != StepOutcome.FAILED:
            msg = "Only a failed step can have a follow-up task."
            raise TaskStateError(msg)
        if step.follow_up_id is not None:
            msg = "This step has a follow-up task already."
            raise TaskStateError(msg)
        created = task_create(
            organization_id=task.organization_id,
            created_by=user or system_user_get(organization_id=task.organization_id),
            robot=task.robot,
            title=f"{step.title} ({task.title})"[:_MAX_TITLE_CHARS].rstrip(),
            description=f"Failed in {task.title}: {step.title}, {step_result_text(step)}.",
            type=MaintenanceType.CORRECTIVE,
            priority=task.priority,
        )
        step.follow_up = created
        step.save(update_fields=["follow_up"])
    return created


def _checked(step: TaskStep, entry: StepEntry) -> tuple[Any, Decimal | None, str]:
    """Return outcome, number and text of an entry.

    Raises:
        ValidationError: The entry does not fit the kind of the step.
    """
    kind = StepKind(step.kind)
    needed = {
        StepKind.PASS_FAIL: "outcome",
        StepKind.NUMBER: "number",
        StepKind.METER: "number",
        StepKind.TEXT: "text",
    }.get(kind)
    if needed is None:
        raise ValidationError({"outcome": "Attach a photo to this step instead."})
    for name in ("outcome", "number", "text"):
        if name != needed and getattr(entry, name) not in {None, ""}:
            msg = f"This step records {_article(needed)}, nothing else."
            raise ValidationError({name: msg})
    if needed == "outcome":
        if entry.outcome not in StepOutcome.values:
            raise ValidationError({"outcome": "Choose passed or failed."})
        return entry.outcome, None, ""
    if needed == "text":
        return StepOutcome.PASSED, None, checked_text("text", entry.text or "", MAX_STEP_TEXT_CHARS)
    number = _checked_number(entry.number, kind)
    is_low = step.minimum is not None and number < step.minimum
    is_high = step.maximum is not None and number > step.maximum
    return StepOutcome.FAILED if is_low or is_high else StepOutcome.PASSED, number, ""


def _article(name: str) -> str:
    return {"outcome": "passed or failed", "number": "a number", "text": "a text"}[name]


def _checked_number(number: Decimal | None, kind: StepKind) -> Decimal:
    if number is None or not number.is_finite():
        raise ValidationError({"number": "Enter a number."})
    if kind == StepKind.METER and number < 0:
        raise ValidationError({"number": "A meter reading cannot be negative."})
    if abs(number) >= _MAX_NUMBER:
        raise ValidationError({"number": "Enter a number below 1,000,000,000,000."})
    if number != number.quantize(_STEP):
        raise ValidationError({"number": "Enter at most three decimals."})
    return number.quantize(_STEP)
