"""Photos and documents on tasks: check, encode anew, store and delete them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import Sum

from apps.accounts.models import User
from apps.maintenance.choices import (
    CLOSED_STATUSES,
    IMAGE_MEDIA_TYPES,
    FileMediaType,
    StepKind,
    StepOutcome,
)
from apps.maintenance.exceptions import FileLimitError, TaskStateError
from apps.maintenance.models import MaintenanceTask, TaskFile, TaskStep
from apps.maintenance.services.task_locking import task_lock
from apps.maintenance.services.tasks.steps import step_lock, step_save
from apps.organizations.services.floor_plans import plan_picture
from urfmp.common.db.names import normalize_file_name
from urfmp.common.tenancy.context import audit_action

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILES_PER_TASK = 50
MAX_BYTES_PER_TASK = 100 * 1024 * 1024
MAX_BYTES_PER_ORGANIZATION = 20 * 1024 * 1024 * 1024
# A plate or a worn belt is readable; the photo has about 0.7 MB.
MAX_PHOTO_SIDE_PX = 2048
TOO_LARGE_MESSAGE = f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB. Send a smaller one."
_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class CheckedFile:
    """A file whose content was checked.

    Attributes:
        media_type: One of `FileMediaType`, by the content.
        content: Bytes to store; those of a picture were encoded anew.
        width_px: Width of a picture.
        height_px: Height of a picture.
    """

    media_type: str
    content: bytes
    width_px: int | None = None
    height_px: int | None = None


def task_file_check(content: bytes) -> CheckedFile:
    """Return an upload as a file that is safe to serve.

    Photos are turned upright, and lose their metadata and place. A process of its own decodes
    them: call it outside of a transaction that holds locks.

    Raises:
        PlanConversionBusyError: Other pictures are being converted.
        ValidationError: The file is empty, too large, damaged, or of another format.
    """
    if not content:
        raise ValidationError({"content": "The file is empty."})
    if len(content) > MAX_FILE_BYTES:
        raise ValidationError({"content": TOO_LARGE_MESSAGE})
    if content.startswith(_PICTURE_STARTS):
        picture = plan_picture(content, max_side_px=MAX_PHOTO_SIDE_PX)
        return CheckedFile(picture.media_type, picture.content, picture.width_px, picture.height_px)
    if content.startswith(b"%PDF-"):
        return CheckedFile(FileMediaType.PDF, content)
    if _is_text(content):
        return CheckedFile(FileMediaType.TEXT, content)
    raise ValidationError({"content": "Send a JPEG, PNG, PDF or plain text file."})


def task_file_add(
    task: MaintenanceTask,
    file: CheckedFile,
    *,
    file_name: str,
    user: User | None = None,
    step: TaskStep | None = None,
) -> TaskFile:
    """Store a file on an open task or its step.

    A photo records its photo step. The task's row is locked: of two uploads, the second counts the
    first one. The limit of the organization is not locked, and may be exceeded by parallel uploads.

    Raises:
        FileLimitError: The task, or the organization, has too many files.
        TaskStateError: The task is closed, or not in progress for a step.
        ValidationError: The step is another task's, or a photo is needed.
    """
    is_photo = file.media_type in IMAGE_MEDIA_TYPES
    if step is not None and step.task_id != task.pk:
        raise ValidationError({"step": "The step belongs to another task."})
    if step is not None and step.kind == StepKind.PHOTO and not is_photo:
        raise ValidationError({"content": "This step needs a photo: a JPEG or PNG file."})
    with audit_action("maintenance.task_file.add"):
        if step is not None:
            step = step_lock(step)
            task = step.task
        else:
            task = task_lock(task)
        _require_open(task)
        _check_limits(task, len(file.content))
        stored: TaskFile = TaskFile.objects.create(
            organization_id=task.organization_id,
            task=task,
            step=step,
            file_name=normalize_file_name(file_name) or "file",
            media_type=file.media_type,
            size_bytes=len(file.content),
            width_px=file.width_px,
            height_px=file.height_px,
            digest=hashlib.sha256(file.content).hexdigest(),
            content=file.content,
            uploaded_by=user,
        )
        stored.refresh_from_db(fields=["created_at"])
        if step is not None and step.kind == StepKind.PHOTO:
            step.outcome = StepOutcome.PASSED
            step_save(step, user)
    return stored


def task_file_delete(file: TaskFile) -> None:
    """Delete a file of an open task.

    A photo step without another photo is then not recorded.

    Raises:
        TaskStateError: The task is closed, or not in progress for a step.
    """
    with audit_action("maintenance.task_file.delete"):
        step = file.step
        if step is not None and step.kind == StepKind.PHOTO:
            step = step_lock(step)
            others = TaskFile.objects.filter(step=step).exclude(pk=file.pk)
            if not others.exists():
                step.outcome = None
                step_save(step, None)
        else:
            _require_open(task_lock(file.task))
        file.delete()


def _require_open(task: MaintenanceTask) -> None:
    if task.status in CLOSED_STATUSES:
        state = task.get_status_display().lower()
        msg = f"The files of a task that is {state} cannot be changed. Reopen the task first."
        raise TaskStateError(msg)


def _check_limits(task: MaintenanceTask, size_bytes: int) -> None:
    files = TaskFile.objects.filter(task=task)
    count, total = files.count(), files.aggregate(total=Sum("size_bytes"))["total"] or 0
    if count >= MAX_FILES_PER_TASK:
        msg = f"A task has at most {MAX_FILES_PER_TASK} files. Delete one first."
        raise FileLimitError(msg)
    if total + size_bytes > MAX_BYTES_PER_TASK:
        megabytes = MAX_BYTES_PER_TASK // 1024**2
        msg = f"The files of a task have at most {megabytes} MB together. Delete one first."
        raise FileLimitError(msg)
    all_files = TaskFile.objects.filter(organization_id=task.organization_id)
    stored = all_files.aggregate(total=Sum("size_bytes"))["total"] or 0
    if stored + size_bytes > MAX_BYTES_PER_ORGANIZATION:
        gigabytes = MAX_BYTES_PER_ORGANIZATION // 1024**3
        msg = f"The organization's files have {gigabytes} GB together. Delete old ones first."
        raise FileLimitError(msg)


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text) is None
