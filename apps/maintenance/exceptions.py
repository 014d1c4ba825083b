from __future__ import annotations

from http import HTTPStatus

from urfmp.common.exceptions import ApplicationError


class TaskStateError(ApplicationError):
    """The task's status does not allow this action."""

    code = "task_state"


class OwnWorkApprovalError(ApplicationError):
    """You finished this work. Another user must approve it or send it back."""

    code = "approval_by_author"
    status = HTTPStatus.FORBIDDEN
