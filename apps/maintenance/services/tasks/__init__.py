"""Changes to maintenance tasks: their fields, their life cycle and their timeline."""

from __future__ import annotations

from apps.maintenance.services.tasks.approvals import task_approve, task_send_back
from apps.maintenance.services.tasks.completion import (
    Findings,
    task_cancel,
    task_complete,
    task_reopen,
)
from apps.maintenance.services.tasks.editing import task_create, task_update
from apps.maintenance.services.tasks.events import task_comment
from apps.maintenance.services.tasks.labour import (
    task_correct_duration,
    task_join,
    task_leave,
)
from apps.maintenance.services.tasks.retirement import (
    tasks_close_of_retired_robot,
    tasks_delete_of_purged_robot,
)
from apps.maintenance.services.tasks.steps import (
    StepEntry,
    task_step_follow_up,
    task_step_record,
)
from apps.maintenance.services.tasks.work import (
    task_hold,
    task_resume,
    task_start,
    tasks_mark_overdue,
)

__all__ = [
    "Findings",
    "StepEntry",
    "task_approve",
    "task_cancel",
    "task_comment",
    "task_complete",
    "task_correct_duration",
    "task_create",
    "task_hold",
    "task_join",
    "task_leave",
    "task_reopen",
    "task_resume",
    "task_send_back",
    "task_start",
    "task_step_follow_up",
    "task_step_record",
    "task_update",
    "tasks_close_of_retired_robot",
    "tasks_delete_of_purged_robot",
    "tasks_mark_overdue",
]
