"""The work on one task: checklist, photos and the completion sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from apps.maintenance.api.task_files import file_response
from apps.maintenance.choices import (
    FAILURE_TYPES,
    CauseCode,
    FailureCode,
    MaintenanceStatus,
    RemedyCode,
)
from apps.maintenance.models import MaintenanceTask, TaskFile, TaskStep
from apps.maintenance.services.task_completion import task_complete_by_sheet
from apps.maintenance.services.task_files import (
    TOO_LARGE_MESSAGE,
    task_file_add,
    task_file_check,
)
from apps.maintenance.services.tasks import (
    task_hold,
    task_resume,
    task_start,
    task_step_follow_up,
    task_step_record,
)
from urfmp.common.admin.forms import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.uploads import is_upload_too_large
from urfmp.pages.selectors.maintenance.task_work import task_work
from urfmp.pages.views.commands.once import new_token, run_once
from urfmp.pages.views.maintenance.work_forms import (
    HoldForm,
    StepForm,
    completion_sheet,
)
from urfmp.pages.views.rendering import render_page, require_permission

TITLE = "My work"
_CHANGE = "maintenance.change_maintenancetask"
_JSON = "application/json"


def task_work_page(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Show a task, and process one act on it.

    The page's script sends acts in the background, keeps those that it cannot send, and gets JSON:
    a message, and for steps the new version.
    """
    require_permission(request, "maintenance.view_maintenancetask")
    tasks = MaintenanceTask.objects.restrict(request.user).select_related("robot", "template")
    task: MaintenanceTask = get_object_or_404(tasks, pk=task_id)
    errors: list[str] = []
    status = 200
    if request.method == "POST":
        require_permission(request, _CHANGE)
        try:
            stored, _ = run_once(request, lambda: json.dumps(_act(request, task)))
            answer = json.loads(stored)
        except ApplicationError as error:
            errors, status = [error.message], int(error.status)
            extra = error.extra
        except ValidationError as error:
            errors, status, extra = error_messages(error), 400, {}
        else:
            if _wants_json(request):
                return JsonResponse(answer)
            messages.success(request, answer["message"])
            return HttpResponseRedirect(request.path)
        if _wants_json(request):
            return JsonResponse({"errors": errors, **extra}, status=status)
        task = get_object_or_404(tasks, pk=task_id)
    response = render_page(
        request,
        "pages/maintenance/work.html",
        task.title,
        trail=[(TITLE, reverse("admin:my_work_page"))],
        task=task,
        work=task_work(task),
        errors=errors,
        sent=request.POST,
        is_finish_open=bool(errors and request.POST.get("act") == "complete"),
        findings=_findings(task, request.POST),
        may_change=request.user.has_perm(_CHANGE),
        token=new_token(),
    )
    response.status_code = status
    return response


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == _JSON


def _findings(task: MaintenanceTask, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the selects that unplanned work needs."""
    if task.type not in FAILURE_TYPES:
        return []
    kinds: tuple[tuple[str, Any], ...] = (
        ("failure", FailureCode), ("cause", CauseCode), ("remedy", RemedyCode),
    )  # fmt: skip
    return [
        {
            "name": name,
            "label": name.capitalize(),
            "choices": choices.choices,
            "value": sent.get(name) or getattr(task, f"{name}_code"),
        }
        for name, choices in kinds
    ]


def _act(request: HttpRequest, task: MaintenanceTask) -> dict[str, Any]:
    """Process an act; return its message.

    An entry also returns the new version of its step.

    Raises:
        ApplicationError: The state does not allow it.
        ValidationError: A value is invalid.
    """
    if is_upload_too_large(request):
        raise ValidationError(TOO_LARGE_MESSAGE)
    act = _ACTS.get(request.POST.get("act", ""))
    if act is None:
        msg = "Press one of the buttons."
        raise ValidationError(msg)
    answer = act(request, task)
    return answer if isinstance(answer, dict) else {"message": answer}


def _start(request: HttpRequest, task: MaintenanceTask) -> str:
    task_start(task, _user(request))
    return "Started."


def _resume(request: HttpRequest, task: MaintenanceTask) -> str:
    task_resume(task, _user(request))
    return "Resumed."


def _hold(request: HttpRequest, task: MaintenanceTask) -> str:
    task_hold(task, HoldForm(request.POST).value("reason"), _user(request))
    return "Put on hold."


def _record(request: HttpRequest, task: MaintenanceTask) -> dict[str, Any]:
    step = _step(request, task)
    entry, version = StepForm(request.POST).entry()
    recorded = task_step_record(step, entry, _user(request), version=version)
    return {"message": f"Recorded: {step.title}.", "version": recorded.version}


def _photo(request: HttpRequest, task: MaintenanceTask) -> str:
    step = _step(request, task) if request.POST.get("step") else None
    files = request.FILES.getlist("photo")
    if not files:
        msg = "Select a photo or a file."
        raise ValidationError(msg)
    for file in files:
        checked = task_file_check(file.read())
        name = str(file.name)
        task_file_add(task, checked, file_name=name, user=_user(request), step=step)
    return f"Added: {step.title}." if step else "Added."


def _follow_up(request: HttpRequest, task: MaintenanceTask) -> str:
    created = task_step_follow_up(_step(request, task), _user(request))
    return f"Opened: {created.title}."


def _complete(request: HttpRequest, task: MaintenanceTask) -> str:
    sheet = completion_sheet(request, task)
    finished = task_complete_by_sheet(task, sheet, _user(request))
    if finished.status == MaintenanceStatus.REQUIRES_APPROVAL:
        return "Finished. The task waits for approval."
    return "Completed."


_ACTS: dict[str, Callable[[HttpRequest, MaintenanceTask], str | dict[str, Any]]] = {
    "start": _start,
    "resume": _resume,
    "hold": _hold,
    "record": _record,
    "photo": _photo,
    "follow-up": _follow_up,
    "complete": _complete,
}


def _user(request: HttpRequest) -> Any:
    return request.user


def _step(request: HttpRequest, task: MaintenanceTask) -> TaskStep:
    """Return the step that the form names.

    Raises:
        ValidationError: The task does not have it.
    """
    steps = TaskStep.objects.filter(task=task).select_related("task", "task__robot")
    try:
        found: TaskStep | None = steps.filter(pk=UUID(request.POST.get("step", ""))).first()
    except ValueError:
        found = None
    if found is None:
        msg = "The task has no such step. Load the page again."
        raise ValidationError(msg)
    return found


def task_file_page(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """Return the content of a task's file, or 304."""
    require_permission(request, "maintenance.view_taskfile")
    files = TaskFile.objects.restrict(request.user).filter(pk=file_id)
    return file_response(files, request.headers.get("If-None-Match", ""))
