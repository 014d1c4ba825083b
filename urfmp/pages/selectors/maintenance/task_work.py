"""What a technician needs of one task: its checklist, files and parts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.maintenance.choices import MaintenanceAction, StepOutcome, allows
from apps.maintenance.models import MaintenanceTask, PartStock, TaskFile, TaskPart, TaskStep
from apps.maintenance.selectors.checklists import (
    limits_text,
    planned_parts,
    step_result_text,
    task_files,
    task_steps,
)
from apps.maintenance.selectors.parts import quantity_text, task_parts


@dataclass(frozen=True)
class StepRow:
    """A step with what was recorded and what its entry looks like.

    Attributes:
        step: The step.
        limits: Limits of its number; empty without.
        result: What was recorded; empty if nothing was.
        files: Its files.
        entered: Its number as an input shows it.
    """

    step: TaskStep
    limits: str
    result: str
    files: tuple[TaskFile, ...]
    entered: str

    @property
    def is_failed(self) -> bool:
        """Return whether the step failed."""
        return self.step.outcome == StepOutcome.FAILED


@dataclass(frozen=True)
class PlannedStock:
    """A stock that the completion sheet offers.

    Attributes:
        stock: Stock with its part; None if no place has any.
        part: Part that the work needs.
        fact: How much is available or reserved.
        suggested: Quantity that the sheet begins with.
    """

    stock: PartStock | None
    part: Any
    fact: str
    suggested: str


@dataclass(frozen=True)
class TaskWork:
    """The work on a task.

    Attributes:
        steps: Checklist in its order.
        files: Files that belong to no step.
        used: Parts used so far, as texts.
        stocks: What the completion sheet offers.
        recorded: Number of recorded steps.
        actions: Names of the actions that the status allows.
    """

    steps: list[StepRow]
    files: list[TaskFile]
    used: list[str]
    stocks: list[PlannedStock]
    recorded: int
    actions: frozenset[str]


def task_work(task: MaintenanceTask) -> TaskWork:
    """Return checklist, files and parts of a task; at most six queries."""
    files: dict[Any, list[TaskFile]] = defaultdict(list)
    for file in task_files(task):
        files[file.step_id].append(file)
    rows = [_row(step, files[step.pk]) for step in task_steps(task)]
    parts = task_parts(task)
    used = [
        f"{row.stock.part.name}: {quantity_text(row.used, row.stock.part)}"
        for row in parts
        if row.used
    ]
    actions = frozenset(action.value for action in MaintenanceAction if allows(action, task.status))
    stocks = _planned_stocks(task, parts) if MaintenanceAction.COMPLETE in actions else []
    recorded = sum(row.step.recorded_at is not None for row in rows)
    return TaskWork(rows, files[None], used, stocks, recorded, actions)


def _row(step: TaskStep, files: list[TaskFile]) -> StepRow:
    result = "" if step.outcome is None else step_result_text(step)
    entered = "" if step.number is None else plain_number(step.number)
    return StepRow(step, limits_text(step), result, tuple(files), entered)


def _planned_stocks(task: MaintenanceTask, parts: list[TaskPart]) -> list[PlannedStock]:
    """Return what the task has reserved, and what else its template names.

    Of several places, that of the robot's facility comes first, then the fullest.
    """
    offered = [
        PlannedStock(
            row.stock,
            row.stock.part,
            f"{quantity_text(row.reserved, row.stock.part)} reserved",
            plain_number(row.reserved),
        )
        for row in parts
        if row.reserved
    ]
    taken: dict[Any, Decimal] = defaultdict(Decimal)
    for row in parts:
        taken[row.stock.part_id] += row.used + row.reserved
    missing = {
        planned.part_id: planned
        for planned in planned_parts(task)
        if planned.quantity > taken[planned.part_id]
    }
    found: dict[Any, PartStock] = {}
    stocks = PartStock.objects.filter(part__in=list(missing)).select_related("part", "facility")
    own = task.robot.facility if task.robot is not None else ""
    for stock in sorted(stocks, key=lambda s: (s.facility.name != own, -s.available)):
        if stock.available > 0:
            found.setdefault(stock.part_id, stock)
    for part_id, planned in missing.items():
        stock = found.get(part_id)
        wanted = planned.quantity - taken[part_id]
        available = stock.available if stock else Decimal(0)
        fact = f"{quantity_text(available, planned.part)} available" if stock else "not in stock"
        offered.append(
            PlannedStock(stock, planned.part, fact, plain_number(min(wanted, available)))
        )
    return offered


def plain_number(number: Decimal) -> str:
    """Return a number for an input: without grouping and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
