"""Filters of the audit log."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from apps.audit.selectors.audit_logs import recorded_actions
from urfmp.common.admin import (
    AutocompleteFilter,
    ScopedChangeList,
    TimeRangeFilter,
    audited_admins,
    object_labels,
    request_user,
)


def humanize(name: str) -> str:
    """Return the label of a resource or action, as in "API key"."""
    return name.replace("_", " ").capitalize().replace("Api key", "API key")


# Audited resources that have no page in the admin.
_RESOURCES_WITHOUT_ADMIN = (
    "access",
    "alert_event",
    "calendar_feed",
    "claim_code",
    "labour_entry",
    "maintenance_schedule_state",
    "maintenance_task_event",
    "part_movement",
    "task_file",
    "task_part",
    "task_step",
    "template_part",
    "template_step",
    "delivery",
    "export",
    "floor_plan",
    "import",
    "link",
    "preference",
    "push_key",
    "push_subscription",
    "robot_label",
    "route_step",
    "second_factor",
)


class ResourceFilter(DropdownFilter):
    """Filter audit rows by kind of object."""

    title = "kind of object"
    parameter_name = "resource"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = {*audited_admins(model_admin.admin_site), *_RESOURCES_WITHOUT_ADMIN}
        return [(name, humanize(name)) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


class ObjectFilter(TextFilter):
    """Filter audit rows by object, which may no longer exist."""

    title = "object's id"
    parameter_name = "object"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(resource_id=uuid.UUID(self.value().strip()))
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error


class ActionFilter(DropdownFilter):
    """Filter audit rows by action."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            (action, action) for action in recorded_actions(request_user(request).organization_id)
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class RequestFilter(TextFilter):
    """Filter audit rows by request id."""

    title = "request id"
    parameter_name = "request"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(request_id=self.value().strip()) if self.value() else queryset


class OutcomeFilter(DropdownFilter):
    """Filter audit rows by success or failure."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "Done"), ("denied", "Denied or failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"done", "denied"}:
            return queryset
        return queryset.filter(success=self.value() == "done")


class AuditChangeList(ScopedChangeList):
    """List of audit rows with the names of their objects."""

    def _read(self, request: HttpRequest) -> None:
        super()._read(request)
        names = object_labels(self.model_admin.admin_site, request, self.result_list)
        for entry in self.result_list:
            entry.object_name = names.get(str(entry.resource_id))


class TimeFilter(TimeRangeFilter):
    """Filter audit rows by time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time"


class ApiKeyFilter(AutocompleteFilter):
    """Filter audit rows by the API key that acted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "API key"
