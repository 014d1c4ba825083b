"""Complete a task with parts and photos, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from apps.accounts.models import User
from apps.maintenance.choices import PartMovementKind
from apps.maintenance.models import MaintenanceTask, PartStock
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.task_files import CheckedFile, task_file_add
from apps.maintenance.services.tasks import Findings, task_complete
from apps.maintenance.services.tasks.maintenance_lock import task_and_robot_lock
from urfmp.common.tenancy.context import audit_action


@dataclass(frozen=True)
class CompletionSheet:
    """What a technician enters when the work is done.

    Attributes:
        notes: Text that is appended to the task's notes.
        minutes: Minutes of work; None for the measured time.
        findings: Codes of failure, cause and remedy, for unplanned work.
        parts: Stocks from which parts were used, with their quantities.
        photos: Photos and their file names.
    """

    notes: str | None = None
    minutes: int | None = None
    findings: Findings | None = None
    parts: Sequence[tuple[PartStock, Decimal]] = field(default_factory=tuple)
    photos: Sequence[tuple[CheckedFile, str]] = field(default_factory=tuple)


def task_complete_by_sheet(
    task: MaintenanceTask, sheet: CompletionSheet, user: User | None = None
) -> MaintenanceTask:
    """Use the parts, store the photos, and complete the task.

    Robot and task are locked first, because a retirement locks them before stocks.

    Raises:
        ChecklistIncompleteError: Required steps are not recorded.
        FileLimitError: The task, or the organization, has too many files.
        InsufficientStockError: Fewer parts are available than were used.
        TaskStateError: The task is not in progress.
        ValidationError: A value is invalid.
    """
    with audit_action("maintenance.maintenance_task.complete"):
        task_and_robot_lock(task)
        for stock, quantity in sorted(sheet.parts, key=lambda used: str(used[0].pk)):
            part_movement_create(
                stock=stock, kind=PartMovementKind.USE, quantity=quantity, task=task
            )
        for file, file_name in sheet.photos:
            task_file_add(task, file, file_name=file_name, user=user)
        return task_complete(
            task, sheet.notes, user, actual_duration=sheet.minutes, findings=sheet.findings
        )
