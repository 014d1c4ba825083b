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
    object_names,
    viewer,
)


def action_words(name: str) -> str:
    """Return the label of a resource or action, as in "API key"."""
    return name.replace("_", " ").capitalize().replace("Api key", "API key")


# What else the record speaks of.
_WITHOUT_PAGE = ("access", "export", "link", "second_factor")


class ResourceFilter(DropdownFilter):
    """The record by what was acted on."""

    title = "kind of object"
    parameter_name = "resource"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = {*audited_admins(model_admin.admin_site), *_WITHOUT_PAGE}
        return [(name, action_words(name)) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


class ObjectFilter(TextFilter):
    """The record of one object, which may be gone."""

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
    """The record by what was done: everything that ever was in the organization."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in recorded_actions(viewer(request).organization_id)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class RequestFilter(TextFilter):
    """Everything that one request did."""

    title = "request id"
    parameter_name = "request"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(request_id=self.value().strip()) if self.value() else queryset


class OutcomeFilter(DropdownFilter):
    """The record by whether the act succeeded."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "Done"), ("refused", "Refused or failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"done", "refused"}:
            return queryset
        return queryset.filter(success=self.value() == "done")


class AuditChangeList(ScopedChangeList):
    """The record, with the names of what was acted on."""

    def _read(self, request: HttpRequest) -> None:
        super()._read(request)
        names = object_names(self.model_admin.admin_site, request, self.result_list)
        for entry in self.result_list:
            entry.object_name = names.get(str(entry.resource_id))


class WhenFilter(TimeRangeFilter):
    """The record by time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time"


class KeyFilter(AutocompleteFilter):
    """The record by the API key that acted."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "API key"
