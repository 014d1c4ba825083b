"""Actions on tasks in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from apps.maintenance.choices import (
    FAILURE_TYPES,
    MAX_COMMENT_CHARS,
    MAX_DURATION_MINUTES,
    MAX_REASON_CHARS,
    CauseCode,
    FailureCode,
    MaintenanceAction,
    MaintenanceStatus,
    RemedyCode,
    allows,
)
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import (
    Findings,
    task_approve,
    task_cancel,
    task_comment,
    task_complete,
    task_correct_duration,
    task_hold,
    task_join,
    task_leave,
    task_reopen,
    task_resume,
    task_send_back,
    task_start,
)
from urfmp.common.admin import ObjectAction, request_user


def _code_field(choices: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[("", "Select"), *choices.choices], widget=UnfoldAdminSelectWidget()
    )


class CompleteForm(forms.Form):
    """Notes, duration and, for unplanned work, the findings."""

    failure_code = _code_field(FailureCode)
    cause_code = _code_field(CauseCode)
    remedy_code = _code_field(RemedyCode)
    minutes = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_DURATION_MINUTES,
        help_text="Time of the work. Leave blank for the measured time without pauses.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    notes = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask for the findings of corrective and emergency work only."""
        super().__init__(*args, **kwargs)
        if self.initial.get("type") not in FAILURE_TYPES:
            for name in ("failure_code", "cause_code", "remedy_code"):
                del self.fields[name]


class DurationForm(forms.Form):
    """The duration of completed work, and why the measured one is wrong."""

    minutes = forms.IntegerField(
        min_value=0, max_value=MAX_DURATION_MINUTES, widget=UnfoldAdminIntegerFieldWidget()
    )
    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        help_text="Why the measured time is wrong.",
        widget=UnfoldAdminTextareaWidget(),
    )


class HoldForm(forms.Form):
    """Reason for putting a task on hold."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        help_text="What the work waits for, such as a part.",
        widget=UnfoldAdminTextareaWidget(),
    )


class CancelForm(forms.Form):
    """Reason for cancelling a task."""

    reason = forms.CharField(max_length=MAX_REASON_CHARS, widget=UnfoldAdminTextareaWidget())


class SendBackForm(forms.Form):
    """Reason for sending finished work back."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        help_text="What is missing.",
        widget=UnfoldAdminTextareaWidget(),
    )


class ReopenForm(forms.Form):
    """Reason for reopening a task."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        help_text="Why the work is not done yet.",
        widget=UnfoldAdminTextareaWidget(),
    )


class ApproveForm(forms.Form):
    """Confirmation of an approval, which has no fields."""


class CommentForm(forms.Form):
    """A comment on a task."""

    text = forms.CharField(
        label="Comment",
        max_length=MAX_COMMENT_CHARS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )


def can(action: MaintenanceAction) -> Callable[[MaintenanceTask], bool]:
    """Return a function that says whether a task's status allows an action."""
    return lambda task: allows(action, task.status)


def _complete(request: HttpRequest, task: MaintenanceTask, values: dict[str, Any]) -> None:
    finished = task_complete(
        task,
        values.get("notes") or None,
        request_user(request),
        actual_duration=values.get("minutes"),
        findings=Findings(
            failure=values.get("failure_code", ""),
            cause=values.get("cause_code", ""),
            remedy=values.get("remedy_code", ""),
        ),
    )
    if finished.status == MaintenanceStatus.REQUIRES_APPROVAL:
        text = "The task waits for approval: a second user approves it or sends it back."
        messages.info(request, text)


TASK_ACTIONS = (
    ObjectAction(
        name="start",
        label="Start",
        done="started",
        question="Start the task {object}?",
        permission="change",
        icon="play_arrow",
        applies=can(MaintenanceAction.START),
        run=lambda request, task, _values: task_start(task, request_user(request)),
    ),
    ObjectAction(
        name="resume",
        label="Resume",
        done="resumed",
        question="Resume the task {object}?",
        permission="change",
        icon="play_arrow",
        applies=can(MaintenanceAction.RESUME),
        run=lambda request, task, _values: task_resume(task, request_user(request)),
    ),
    ObjectAction(
        name="complete",
        label="Complete",
        done="finished",
        question="Complete the task {object}?",
        permission="change",
        icon="check",
        applies=can(MaintenanceAction.COMPLETE),
        form_class=CompleteForm,
        initial=lambda task: {
            "type": task.type,
            "failure_code": task.failure_code,
            "cause_code": task.cause_code,
            "remedy_code": task.remedy_code,
        },
        run=_complete,
    ),
    ObjectAction(
        name="join",
        label="Join the work",
        done="joined",
        question="Join the work on {object}?",
        permission="change",
        icon="person_add",
        applies=can(MaintenanceAction.JOIN),
        run=lambda request, task, _values: task_join(task, request_user(request)),
    ),
    ObjectAction(
        name="leave",
        label="Leave the work",
        done="left",
        question="Leave the work on {object}?",
        permission="change",
        icon="person_remove",
        applies=can(MaintenanceAction.LEAVE),
        run=lambda request, task, _values: task_leave(task, request_user(request)),
    ),
    ObjectAction(
        name="hold",
        label="Put on hold",
        done="put on hold",
        question="Put the task {object} on hold?",
        permission="change",
        icon="pause",
        applies=can(MaintenanceAction.HOLD),
        form_class=HoldForm,
        run=lambda request, task, values: task_hold(task, values["reason"], request_user(request)),
    ),
    ObjectAction(
        name="approve",
        label="Approve",
        done="approved",
        question="Approve the work on {object}?",
        consequences="The task is then completed.",
        permission="approve",
        icon="approval",
        applies=can(MaintenanceAction.APPROVE),
        form_class=ApproveForm,
        run=lambda request, task, _values: task_approve(task, request_user(request)),
    ),
    ObjectAction(
        name="send-back",
        label="Send back",
        done="sent back",
        question="Send the task {object} back?",
        consequences="It can then be started again.",
        permission="approve",
        icon="undo",
        applies=can(MaintenanceAction.SEND_BACK),
        form_class=SendBackForm,
        run=lambda request, task, values: task_send_back(
            task, request_user(request), reason=values["reason"]
        ),
    ),
    ObjectAction(
        name="correct-duration",
        label="Correct duration",
        done="corrected",
        question="Correct the duration of {object}?",
        permission="change",
        icon="timer",
        applies=can(MaintenanceAction.CORRECT_DURATION),
        form_class=DurationForm,
        initial=lambda task: {"minutes": task.actual_duration},
        run=lambda request, task, values: task_correct_duration(
            task, values["minutes"], values["reason"], request_user(request)
        ),
    ),
    ObjectAction(
        name="reopen",
        label="Reopen",
        done="reopened",
        question="Reopen the task {object}?",
        consequences="It can then be started again.",
        permission="change",
        icon="restart_alt",
        applies=can(MaintenanceAction.REOPEN),
        form_class=ReopenForm,
        run=lambda request, task, values: task_reopen(
            task, values["reason"], request_user(request)
        ),
    ),
    ObjectAction(
        name="comment",
        label="Comment",
        done="commented",
        question="Comment on the task {object}",
        permission="change",
        icon="comment",
        form_class=CommentForm,
        run=lambda request, task, values: task_comment(
            task, request_user(request), text=values["text"]
        ),
    ),
    ObjectAction(
        name="cancel",
        label="Cancel task",
        done="cancelled",
        permission="change",
        icon="close",
        applies=can(MaintenanceAction.CANCEL),
        form_class=CancelForm,
        question="Cancel the task {object}?",
        confirm_label="Cancel this task",
        keep_label="Keep task",
        run=lambda request, task, values: task_cancel(
            task, values["reason"], request_user(request)
        ),
        is_danger=True,
    ),
)
