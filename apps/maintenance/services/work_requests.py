"""Report problems of robots for review, and review them."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import (
    MAX_REASON_CHARS,
    MaintenancePriority,
    WorkRequestStatus,
)
from apps.maintenance.exceptions import TooManyWorkRequestsError, WorkRequestStateError
from apps.maintenance.models import MaintenanceTask, WorkRequest
from apps.maintenance.services.tasks import task_create
from apps.maintenance.services.tasks.events import checked_text
from apps.organizations.choices import MaintenanceType
from apps.robots.models import Robot
from apps.robots.services.robots import require_in_service
from urfmp.common.db.names import validate_visible
from urfmp.common.tenancy.context import audit_action

MAX_DESCRIPTION_CHARS = 2_000
# Requests that wait: more of one robot say nothing new, and more of all are an attack.
MAX_WAITING_PER_ROBOT = 10
MAX_WAITING_PER_ORGANIZATION = 500


def work_request_create(
    *,
    robot: Robot,
    title: str,
    description: str = "",
    requester_name: str | None = None,
    user: User | None = None,
) -> WorkRequest:
    """Report a problem of a robot, which waits for review.

    The robot's row is locked, so that parallel requests cannot exceed its limit.

    Args:
        robot: Robot in service, of the organization whose transaction is open.
        title: The problem in a few words, at most 200 characters.
        description: More about it, at most 2,000 characters.
        requester_name: Name as entered by a person without a login.
        user: User who reports it; None without a login, or for an API key.

    Raises:
        TooManyWorkRequestsError: Too many requests wait for review.
        ValidationError: A text is too long, nothing in it can be seen, or the robot is retired.
    """
    work_request = WorkRequest(
        organization_id=robot.organization_id,
        robot=robot,
        title=title,
        description=_checked_description(description),
        requester_name=requester_name or None,
        user=user,
    )
    with audit_action("maintenance.work_request.create"):
        require_in_service(robot)
        work_request.full_clean()
        _require_room(robot)
        work_request.save(force_insert=True)
    return work_request


def work_request_accept(
    work_request: WorkRequest,
    user: User,
    *,
    type: str = MaintenanceType.CORRECTIVE,  # noqa: A002 - the column's name
    priority: str = MaintenancePriority.MEDIUM,
) -> MaintenanceTask:
    """Accept a work request, which creates a task; return the task.

    The request's row is locked: of two users who accept it, the second one gets an error and no
    second task.

    Args:
        work_request: Request that waits for review.
        user: User who accepts it, the author of the task.
        type: Type of the task.
        priority: Priority of the task.

    Raises:
        ValidationError: A value is unknown, or the robot is retired.
        WorkRequestStateError: The request is already reviewed.
    """
    with audit_action("maintenance.work_request.accept"):
        # The robot first, in the order of a purge, which deletes the robot's requests too.
        require_in_service(work_request.robot)
        row = _lock_waiting(work_request)
        task = task_create(
            organization_id=row.organization_id,
            created_by=user,
            robot=row.robot,
            title=row.title,
            description=_task_description(row),
            type=type,
            priority=priority,
        )
        row.task = task
        _close(row, WorkRequestStatus.ACCEPTED, user)
    return task


def work_request_dismiss(work_request: WorkRequest, user: User, *, reason: str) -> WorkRequest:
    """Dismiss a work request, which creates no task.

    Args:
        work_request: Request that waits for review. Its row is locked.
        user: User who dismisses it.
        reason: Why no work is needed.

    Raises:
        ValidationError: Nothing in the reason can be seen, or it is too long.
        WorkRequestStateError: The request is already reviewed.
    """
    reason = checked_text("reason", reason, MAX_REASON_CHARS)
    with audit_action("maintenance.work_request.dismiss"):
        row = _lock_waiting(work_request)
        row.reason = reason
        _close(row, WorkRequestStatus.DISMISSED, user)
    return row


def _checked_description(description: str) -> str:
    description = description.strip()
    if not description:
        return ""
    if len(description) > MAX_DESCRIPTION_CHARS:
        msg = f"Enter at most {MAX_DESCRIPTION_CHARS} characters."
        raise ValidationError({"description": msg})
    try:
        validate_visible(description)
    except ValidationError as error:
        raise ValidationError({"description": error}) from error
    return description


def _require_room(robot: Robot) -> None:
    waiting = WorkRequest.objects.filter(organization_id=robot.organization_id).waiting()
    if waiting.filter(robot=robot).count() >= MAX_WAITING_PER_ROBOT:
        raise TooManyWorkRequestsError
    if waiting[:MAX_WAITING_PER_ORGANIZATION].count() >= MAX_WAITING_PER_ORGANIZATION:
        raise TooManyWorkRequestsError


def _lock_waiting(work_request: WorkRequest) -> WorkRequest:
    rows = WorkRequest.objects.select_related("robot", "user").select_for_update(of=("self",))
    locked: WorkRequest = rows.get(pk=work_request.pk)
    if locked.status != WorkRequestStatus.WAITING:
        raise WorkRequestStateError
    return locked


def _close(work_request: WorkRequest, status: WorkRequestStatus, user: User) -> None:
    work_request.status = status
    work_request.reviewed_by = user
    work_request.reviewed_at = timezone.now()
    work_request.save(update_fields=["status", "task", "reviewed_by", "reviewed_at", "reason"])


def _task_description(work_request: WorkRequest) -> str:
    name = work_request.requester_name or (str(work_request.user) if work_request.user_id else "")
    author = f"Reported by {name}." if name else "Reported without a name."
    return "\n\n".join(filter(None, (work_request.description, author)))
