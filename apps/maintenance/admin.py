from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.querysets import CLOSED, OPEN
from apps.maintenance.services import (
    task_cancel,
    task_complete,
    task_create,
    task_start,
    task_update,
)
from urfmp.common.admin import (
    AutocompleteFilter,
    NewestSearchMixin,
    ObjectAction,
    OrganizationScopedAdmin,
    RelatedOnlyFilter,
    ScopedModelForm,
    viewer,
)
from urfmp.common.rendering.html import NOTHING, ago, badge, moment


class CompleteForm(forms.Form):
    """What was found and done."""

    notes = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget())


class CancelForm(forms.Form):
    """Why it is not done."""

    reason = forms.CharField(max_length=1000, widget=UnfoldAdminTextareaWidget())


class TaskForm(ScopedModelForm):
    """A task. Its state changes by what is done to it, not by a field."""

    class Meta:
        model = MaintenanceTask
        fields = (
            "title", "robot", "type", "priority", "description", "assigned_to", "scheduled_at",
            "due_at", "estimated_duration", "actual_duration", "cost", "parts_used", "notes",
        )  # fmt: skip


class DueFilter(DropdownFilter):
    """Tasks by when they are due."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("overdue", "Overdue"), ("mine", "Mine, open")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        rows = queryset.filter(status__in=OPEN)
        if self.value() == "mine":
            return rows.filter(assigned_to=request.user.pk)
        return rows.filter(due_at__lt=timezone.now()) if self.value() == "overdue" else rows


_WAITING = frozenset(
    {
        MaintenanceStatus.SCHEDULED,
        MaintenanceStatus.PENDING,
        MaintenanceStatus.OVERDUE,
        MaintenanceStatus.ON_HOLD,
    }
)


def _can_start(task: MaintenanceTask) -> bool:
    return task.status in _WAITING


def _is_running(task: MaintenanceTask) -> bool:
    return task.status == MaintenanceStatus.IN_PROGRESS


def _is_open(task: MaintenanceTask) -> bool:
    return task.status not in CLOSED


@admin.register(MaintenanceTask)
class MaintenanceTaskAdmin(NewestSearchMixin, OrganizationScopedAdmin[MaintenanceTask]):
    audit_resource = "maintenance_task"
    form = TaskForm
    list_display = ("title", "robot", "state", "shown_priority", "assigned_to", "due", "next_step")
    list_filter = (
        DueFilter, "status", "type", "priority", ("robot", AutocompleteFilter),
        ("assigned_to", RelatedOnlyFilter),
    )  # fmt: skip
    search_fields = ("title", "robot__name", "robot__serial_number")
    searched_texts = ("title",)
    newest_by = "due_at"
    list_select_related = ("robot", "assigned_to")
    autocomplete_fields = ("robot",)
    ordering = (F("due_at").asc(nulls_last=True), "id")
    state_fields = ("state", "started", "completed", "author")
    fieldsets = (
        (
            None,
            {"fields": ("title", ("robot", "assigned_to"), ("type", "priority"), "description")},
        ),
        ("When", {"fields": ("scheduled_at", "due_at", "estimated_duration")}),
        ("Work", {"fields": (("actual_duration", "cost"), "parts_used", "notes")}),
        ("State", {"fields": (("state", "started", "completed", "author"),)}),
    )
    add_fieldsets = fieldsets[:2]
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="start",
            label="Start",
            done="started",
            permission="change",
            icon="play_arrow",
            applies=_can_start,
            run=lambda _request, task, _values: task_start(task),
        ),
        ObjectAction(
            name="complete",
            label="Complete",
            done="completed",
            permission="change",
            icon="check",
            applies=_is_running,
            form_class=CompleteForm,
            run=lambda _request, task, values: task_complete(
                task, notes=values.get("notes") or None
            ),
        ),
        ObjectAction(
            name="cancel",
            label="Cancel",
            done="cancelled",
            permission="change",
            icon="close",
            applies=_is_open,
            form_class=CancelForm,
            run=lambda _request, task, values: task_cancel(task, values["reason"]),
            is_danger=True,
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What is closed stays as it is.
        is_closed = isinstance(obj, MaintenanceTask) and not _is_open(obj)
        return not is_closed and bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Whoever may not see people cannot choose one either, but sees who it is.
        hidden = () if request.user.has_perm("accounts.view_user") else ("assigned_to",)
        return (*self.state_fields, *hidden)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = tuple(super().get_list_display(request))
        return columns if self.allowed_actions(request) else columns[:-1]

    @admin.display(description="State", ordering="status")
    def state(self, task: MaintenanceTask) -> SafeString:
        return badge("task", task.status, task.get_status_display())

    @admin.display(description="Priority", ordering="priority")
    def shown_priority(self, task: MaintenanceTask) -> SafeString:
        return badge("priority", task.priority, task.get_priority_display())

    @admin.display(description="Due", ordering="due_at")
    def due(self, task: MaintenanceTask) -> SafeString | str:
        return ago(task.due_at, never=NOTHING) if _is_open(task) else moment(task.due_at)

    @admin.display(description="Started")
    def started(self, task: MaintenanceTask) -> SafeString | str:
        return moment(task.started_at)

    @admin.display(description="Completed")
    def completed(self, task: MaintenanceTask) -> SafeString | str:
        return moment(task.completed_at)

    @admin.display(description="Written by")
    def author(self, task: MaintenanceTask) -> str:
        return str(task.created_by)

    @admin.display(description="")
    def next_step(self, task: MaintenanceTask) -> SafeString | str:
        if _can_start(task):
            return self.action_button(task, "start")
        return self.action_button(task, "complete") if _is_running(task) else ""

    def perform_create(self, request: HttpRequest, form: Any) -> MaintenanceTask:
        return task_create(
            organization_id=viewer(request).organization_id,
            created_by=viewer(request),
            **form.changes(),
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> MaintenanceTask:
        return task_update(obj, **form.changes())
