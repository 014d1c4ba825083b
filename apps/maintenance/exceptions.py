from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class TaskStateError(ApplicationError):
    """The task's status does not allow this action."""

    code = "task_state"
