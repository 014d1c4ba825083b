"""Lists: counting, and filters that offer nobody else's rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    RelatedDropdownFilter,
)
from unfold.views import ChangeList

from urfmp.common.admin.visibility import restricted

_COUNT_LIMIT = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Count no further than needed: nobody turns to page 200, they search."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 10,000."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:_COUNT_LIMIT].count()
        return len(rows)


class ScopedChangeList(ChangeList):
    """A list that says how many rows were found only where something was looked for."""

    def get_results(self, request: HttpRequest) -> None:
        """Count once."""
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count


class RelatedOnlyFilter(RelatedDropdownFilter):
    """A relation's filter that offers what the shown rows refer to, and nothing else."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, str]]:
        """Return key and name of the related rows, out of those that the viewer may see."""
        used = model_admin.get_queryset(request).order_by().values(self.field_path)
        rows = restricted(field.remote_field.model, request).filter(pk__in=used)
        return [(row.pk, str(row)) for row in rows[:200]]


class AutocompleteFilter(AutocompleteSelectFilter):
    """A relation's filter for many rows; the name of the chosen one is looked up restricted."""

    def choices(self, changelist: Any) -> Any:
        """Yield the form, whose queryset would otherwise be everybody's."""
        for choice in super().choices(changelist):
            form = choice["form"]
            rows = restricted(self.field.remote_field.model, self.request)
            form.fields[self.lookup_kwarg].queryset = rows
            form.fields[self.lookup_kwarg].widget.choices.queryset = rows
            yield choice
