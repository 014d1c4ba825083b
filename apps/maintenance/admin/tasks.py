from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from apps.maintenance.admin.checklists import checklist_html, files_html
from apps.maintenance.admin.task_actions import TASK_ACTIONS
from apps.maintenance.admin.timeline import labour_html, timeline_html
from apps.maintenance.choices import MaintenanceAction, MaintenanceStatus, TaskTab, allows
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.selectors.labour import works_on
from apps.maintenance.selectors.parts import used_part_text
from apps.maintenance.selectors.tasks import MAX_CLOSED_COUNT, task_tab_counts
from apps.maintenance.services.tasks import task_create, task_update
from apps.robots.admin.stop_links import with_stop_column
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    OrganizationScopedAdmin,
    RecentRowsSearchMixin,
    RelatedOnlyFilter,
    ScopedModelForm,
    request_user,
)
from urfmp.common.rendering.formats import NOTHING, format_number
from urfmp.common.rendering.html import badge, datetime_html, relative_time_html


class TaskForm(ScopedModelForm):
    """A task; actions change its status, not a form field."""

    class Meta:
        model = MaintenanceTask
        fields = (
            "title", "template", "robot", "locks_robot", "type", "priority", "description",
            "assigned_to", "scheduled_at", "due_at", "estimated_duration", "actual_duration",
            "cost", "notes",
        )  # fmt: skip


def _tab(request: HttpRequest) -> str:
    """Return the selected tab: open tasks, or all tasks in a search."""
    return request.GET.get("due") or (TaskTab.ALL if request.GET.get("q") else TaskTab.OPEN)


class TabFilter(DropdownFilter):
    """Filter tasks by the tab of the list."""

    title = "tab"
    parameter_name = "due"
    all_option: ClassVar[list[str]] = ["", "Default"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(tab.value, tab.label) for tab in TaskTab]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.in_tab(_tab(request), request.user.pk)  # type: ignore[attr-defined,no-any-return]


def _shown_count(count: int | None) -> str | None:
    if count is None:
        return None
    shown = format_number(min(count, MAX_CLOSED_COUNT))
    return f"{shown}+" if count > MAX_CLOSED_COUNT else shown


def _can_update(task: MaintenanceTask) -> bool:
    return allows(MaintenanceAction.UPDATE, task.status)


# The buttons of the list: at most one applies to a task.
_NEXT_STEPS = {
    "start": MaintenanceAction.START,
    "resume": MaintenanceAction.RESUME,
    "complete": MaintenanceAction.COMPLETE,
}


@admin.register(MaintenanceTask)
class MaintenanceTaskAdmin(RecentRowsSearchMixin, OrganizationScopedAdmin[MaintenanceTask]):
    audit_resource = "maintenance_task"
    empty_text = "Maintenance work that is planned or in progress appears here."
    form = TaskForm
    list_display = ("title", "robot", "state", "priority_badge", "assigned_to", "due", "next_step")
    list_filter = (
        TabFilter, "status", "type", "priority", ("robot", AutocompleteFilter),
        ("assigned_to", RelatedOnlyFilter),
    )  # fmt: skip
    search_fields = ("title", "robot__name", "robot__serial_number")
    search_help_text = "Search by robot or title"
    search_text_fields = ("title",)
    recency_field = "due_at"
    list_select_related = ("robot", "assigned_to")
    autocomplete_fields = ("robot", "template")
    ordering = (F("due_at").asc(nulls_last=True), "id")
    state_fields = (
        "state", "on_hold", "started", "finished", "completed", "author", "opened_by", "approver",
        "timeline", "labour", "findings", "parts", "checklist", "files",
    )  # fmt: skip
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title", ("robot", "assigned_to"), ("type", "priority"), "description",
                    "template", "locks_robot",
                )
            },
        ),
        ("When", {"fields": ("scheduled_at", "due_at", "estimated_duration")}),
        (
            "Work",
            {"fields": ("labour", ("actual_duration", "cost"), "findings", "parts", "notes")},
        ),
        (
            "State",
            {
                "fields": (
                    ("state", "on_hold"), ("started", "finished"), ("completed", "approver"),
                    ("author", "opened_by"),
                )
            },
        ),
        ("Checklist and files", {"fields": ("checklist", "files")}),
        ("Timeline", {"fields": ("timeline",)}),
    )  # fmt: skip
    add_fieldsets = fieldsets[:2]
    object_actions: ClassVar[tuple[ObjectAction, ...]] = TASK_ACTIONS

    list_before_template = "admin/maintenance/tabs.html"
    change_form_outer_before_template = "admin/maintenance/task_links.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        counts = task_tab_counts(request.user)
        kept = {name: value for name, value in request.GET.items() if name not in {"due", "p", "o"}}
        tabs = [
            {
                "label": tab.label,
                "count": _shown_count(counts.get(tab)),
                "query": urlencode({**kept, "due": tab.value}),
                "is_current": _tab(request) == tab,
            }
            for tab in TaskTab
        ]
        return super().changelist_view(request, {**(extra_context or {}), "task_tabs": tabs})

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        # Open tasks begin with the overdue ones, closed tasks with the latest.
        return ("-due_at", "-id") if _tab(request) == TaskTab.DONE else self.ordering

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A closed task cannot be changed.
        is_closed = isinstance(obj, MaintenanceTask) and not _can_update(obj)
        return not is_closed and bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Users who may not list users cannot select one, but see the assigned user's name.
        hidden = () if request.user.has_perm("accounts.view_user") else ("assigned_to",)
        # The steps of the template were copied when the task was created.
        kept = () if obj is None else ("template",)
        return (*self.state_fields, *hidden, *kept)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        columns = tuple(super().get_list_display(request))
        shown = columns if self.allowed_actions(request) else columns[:-1]
        return with_stop_column(request, shown)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer to leave the work or to join it."""
        response = super().render_change_form(request, context, *args, **kwargs)
        task = kwargs.get("obj")
        if task is not None and task.status == MaintenanceStatus.IN_PROGRESS:
            hidden = "join" if works_on(task, request.user.pk) else "leave"
            context["object_actions"] = [
                item for item in context["object_actions"] if item["action"].name != hidden
            ]
        return response

    @admin.display(description="State", ordering="status")
    def state(self, task: MaintenanceTask) -> SafeString:
        return badge("task", task.status, task.get_status_display())

    @admin.display(description="Priority", ordering="priority")
    def priority_badge(self, task: MaintenanceTask) -> SafeString:
        return badge("priority", task.priority, task.get_priority_display())

    @admin.display(description="Due", ordering="due_at")
    def due(self, task: MaintenanceTask) -> SafeString | str:
        return (
            relative_time_html(task.due_at, never=NOTHING)
            if _can_update(task)
            else datetime_html(task.due_at)
        )

    @admin.display(description="Started")
    def started(self, task: MaintenanceTask) -> SafeString | str:
        return datetime_html(task.started_at)

    @admin.display(description="Completed")
    def completed(self, task: MaintenanceTask) -> SafeString | str:
        return datetime_html(task.completed_at)

    @admin.display(description="On hold because")
    def on_hold(self, task: MaintenanceTask) -> str:
        return task.hold_reason or NOTHING

    @admin.display(description="Finished")
    def finished(self, task: MaintenanceTask) -> SafeString | str:
        if task.finished_at is None:
            return NOTHING
        user = str(task.finished_by or "An API key")
        return format_html("{}, {}", user, datetime_html(task.finished_at))

    @admin.display(description="Approved by")
    def approver(self, task: MaintenanceTask) -> str:
        return str(task.approved_by) if task.approved_by_id else NOTHING

    @admin.display(description="Labour")
    def labour(self, task: MaintenanceTask) -> SafeString | str:
        return labour_html(task)

    @admin.display(description="Failure, cause, remedy")
    def findings(self, task: MaintenanceTask) -> str:
        codes = (
            task.get_failure_code_display(),
            task.get_cause_code_display(),
            task.get_remedy_code_display(),
        )
        return ", ".join(filter(None, codes)) or NOTHING

    @admin.display(description="Checklist")
    def checklist(self, task: MaintenanceTask) -> SafeString | str:
        return checklist_html(task)

    @admin.display(description="Photos and files")
    def files(self, task: MaintenanceTask) -> SafeString | str:
        return files_html(task)

    @admin.display(description="Timeline")
    def timeline(self, task: MaintenanceTask) -> SafeString:
        return timeline_html(task)

    @admin.display(description="Created by")
    def author(self, task: MaintenanceTask) -> str:
        return str(task.created_by)

    @admin.display(description="Parts used")
    def parts(self, task: MaintenanceTask) -> SafeString | str:
        rows = format_html_join(
            "", "<div>{}</div>", ((used_part_text(item),) for item in task.parts_used or ())
        )
        return rows or NOTHING

    @admin.display(description="Schedule")
    def opened_by(self, task: MaintenanceTask) -> SafeString | str:
        if task.schedule is None:
            return NOTHING
        page = reverse("admin:maintenance_maintenanceschedule_change", args=[task.schedule_id])
        return format_html('<a class="u-link" href="{}">{}</a>', page, task.schedule)

    @admin.display(description="Action")
    def next_step(self, task: MaintenanceTask) -> SafeString | str:
        for name, action in _NEXT_STEPS.items():
            if allows(action, task.status):
                return self.action_button(task, name)
        return ""

    def perform_create(self, request: HttpRequest, form: Any) -> MaintenanceTask:
        return task_create(
            organization_id=request_user(request).organization_id,
            created_by=request_user(request),
            **form.service_kwargs(),
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> MaintenanceTask:
        return task_update(obj, **form.service_kwargs())
