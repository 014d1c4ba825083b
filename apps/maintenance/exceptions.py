from __future__ import annotations

from http import HTTPStatus

from urfmp.common.exceptions import ApplicationError


class TaskStateError(ApplicationError):
    """The task's status does not allow this action."""

    code = "task_state"


class OwnWorkApprovalError(ApplicationError):
    """You finished this work: another user must decide about it."""

    code = "approval_by_author"
    status = HTTPStatus.FORBIDDEN


class InsufficientStockError(ApplicationError):
    """The stock is smaller than the quantity."""

    code = "insufficient_stock"


class ChecklistIncompleteError(ApplicationError):
    """Required steps of the checklist are not recorded."""

    code = "checklist_incomplete"


class StepConflictError(ApplicationError):
    """Another user has recorded this step meanwhile. Your entry was not saved."""

    code = "step_conflict"


class FileLimitError(ApplicationError):
    """The task or the organization has too many files."""

    code = "file_limit"


class WorkRequestStateError(ApplicationError):
    """The work request is already reviewed."""

    code = "work_request_state"


class TooManyWorkRequestsError(ApplicationError):
    """Too many problems wait for review. Inform the staff directly."""

    code = "too_many_work_requests"
    status = HTTPStatus.CONFLICT
