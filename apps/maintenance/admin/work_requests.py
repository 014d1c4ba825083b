"""Work requests in the admin: the list for their review."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.maintenance.choices import (
    MAX_REASON_CHARS,
    MaintenancePriority,
    WorkRequestStatus,
)
from apps.maintenance.models import WorkRequest
from apps.maintenance.services.work_requests import work_request_accept, work_request_dismiss
from apps.organizations.choices import MaintenanceType
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    ReadOnlyAdmin,
    request_user,
)
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge, datetime_html, relative_time_html

_ALL = "all"


class AcceptForm(forms.Form):
    """What the task becomes."""

    type = forms.ChoiceField(
        choices=MaintenanceType.choices,
        initial=MaintenanceType.CORRECTIVE,
        widget=UnfoldAdminSelectWidget(),
    )
    priority = forms.ChoiceField(
        choices=MaintenancePriority.choices,
        initial=MaintenancePriority.MEDIUM,
        widget=UnfoldAdminSelectWidget(),
    )


class DismissForm(forms.Form):
    """Why no work is needed."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        help_text="Why no work is needed, such as: already repaired.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


def _shown(request: HttpRequest) -> str:
    """Return the selected state: waiting, or all in a search."""
    return request.GET.get("state") or (
        _ALL if request.GET.get("q") else WorkRequestStatus.WAITING.value
    )


class StateFilter(DropdownFilter):
    """Filter requests by state; those that wait are shown first."""

    title = "state"
    parameter_name = "state"
    all_option: ClassVar[list[str]] = ["", "Default"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*WorkRequestStatus.choices, (_ALL, "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        shown = _shown(request)
        return queryset.filter(status=shown) if shown in WorkRequestStatus.values else queryset


def _is_waiting(work_request: WorkRequest) -> bool:
    return work_request.status == WorkRequestStatus.WAITING


def _accept(request: HttpRequest, row: WorkRequest, values: dict[str, Any]) -> HttpResponse:
    task = work_request_accept(row, request_user(request), **values)
    return HttpResponseRedirect(reverse("admin:maintenance_maintenancetask_change", args=[task.pk]))


@admin.register(WorkRequest)
class WorkRequestAdmin(ReadOnlyAdmin[WorkRequest]):
    audit_resource = "work_request"
    empty_text = "Problems of robots that wait for review appear here."
    list_display = ("title", "robot", "state", "reporter", "received", "next_step")
    list_filter = (StateFilter, ("robot", AutocompleteFilter))
    list_select_related = ("robot", "user")
    search_fields = ("title", "robot__name", "requester_name")
    search_help_text = "Search by problem, robot or name"
    readonly_fields = (
        "title", "robot", "description", "state", "reporter", "received_at", "reviewer",
        "created_task", "dismissal",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("title", "robot", "description", ("reporter", "received_at"))}),
        ("Review", {"fields": (("state", "reviewer"), "created_task", "dismissal")}),
    )
    list_before_template = "admin/maintenance/request_tabs.html"
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="accept",
            label="Accept",
            done="accepted",
            question="Accept the request {object}?",
            consequences="This creates a task for the robot.",
            permission="review",
            icon="check",
            applies=_is_waiting,
            form_class=AcceptForm,
            run=_accept,
        ),
        ObjectAction(
            name="dismiss",
            label="Dismiss",
            done="dismissed",
            question="Dismiss the request {object}?",
            consequences="No task is created.",
            permission="review",
            icon="close",
            applies=_is_waiting,
            form_class=DismissForm,
            run=lambda request, row, values: work_request_dismiss(
                row, request_user(request), reason=values["reason"]
            ),
            is_danger=True,
        ),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        kept = {k: v for k, v in request.GET.items() if k not in {"state", "p", "o"}}
        tabs = [
            {
                "label": label,
                "query": urlencode({**kept, "state": value}),
                "is_current": _shown(request) == value,
            }
            for value, label in (*WorkRequestStatus.choices, (_ALL, "All"))
        ]
        return super().changelist_view(request, {**(extra_context or {}), "request_tabs": tabs})

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        columns = tuple(super().get_list_display(request))
        return columns if self.allowed_actions(request) else columns[:-1]

    @admin.display(description="State", ordering="status")
    def state(self, row: WorkRequest) -> SafeString:
        return badge("request", row.status, row.get_status_display())

    @admin.display(description="Reported by")
    def reporter(self, row: WorkRequest) -> str:
        if row.user_id:
            return str(row.user)
        return f"{row.requester_name} (not signed in)" if row.requester_name else "Not signed in"

    @admin.display(description="Received", ordering="created_at")
    def received(self, row: WorkRequest) -> SafeString | str:
        return relative_time_html(row.created_at, never=NOTHING)

    @admin.display(description="Received")
    def received_at(self, row: WorkRequest) -> SafeString | str:
        return datetime_html(row.created_at)

    @admin.display(description="Reviewed by")
    def reviewer(self, row: WorkRequest) -> SafeString | str:
        if row.reviewed_at is None:
            return NOTHING
        return format_html("{}, {}", str(row.reviewed_by), datetime_html(row.reviewed_at))

    @admin.display(description="Task")
    def created_task(self, row: WorkRequest) -> SafeString | str:
        if row.task is None:
            return NOTHING
        page = reverse("admin:maintenance_maintenancetask_change", args=[row.task_id])
        return format_html('<a class="u-link" href="{}">{}</a>', page, row.task)

    @admin.display(description="Dismissed because")
    def dismissal(self, row: WorkRequest) -> str:
        return row.reason or NOTHING

    @admin.display(description="Action")
    def next_step(self, row: WorkRequest) -> SafeString | str:
        return self.action_button(row, "accept") if _is_waiting(row) else ""
