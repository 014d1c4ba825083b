"""Change lists: counting, and filters restricted to visible rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DataError, transaction
from django.db.models import DateField, Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    FieldTextFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.views import ChangeList

from urfmp.common.admin.active_filters import ActiveFilter, active_filters
from urfmp.common.admin.visibility import restricted
from urfmp.common.time.fields import LocalDateTimeField

_MAX_COUNT = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator that counts at most 10,000 rows.

    Users search rather than turn to page 200.
    """

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 10,000."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:_MAX_COUNT].count()
        return len(rows)


class ScopedChangeList(ChangeList):
    """A change list that counts rows only in searches and filters."""

    def active_filters(self) -> list[ActiveFilter]:
        """Return the filters in use, for the template."""
        return active_filters(self)

    def get_results(self, request: HttpRequest) -> None:
        """Count and read the rows.

        An invalid filter value therefore raises here.

        Raises:
            IncorrectLookupParameters: PostgreSQL or its driver rejects a filter's value.
        """
        if not (self.query or self.filter_params):
            self._read(request)
            return
        try:
            with transaction.atomic():  # the page still needs the outer transaction
                self._read(request)
        except (DataError, ValueError, OverflowError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error

    def _read(self, request: HttpRequest) -> None:
        super().get_results(request)
        len(self.result_list)  # runs the query
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count


def filter_parameters(model: type[Model], item: Any) -> set[str]:
    """Return the query parameters of an entry of `list_filter`."""
    if not isinstance(item, str | tuple | list):
        return {item.parameter_name}
    name, kind = (item, None) if isinstance(item, str) else item
    field: Any = get_fields_from_path(model, name)[-1]
    if field.is_relation:
        return {f"{name}__{field.target_field.name}__exact", f"{name}__isnull"}
    if kind is not None and issubclass(kind, FieldTextFilter):
        return {f"{name}__icontains"}
    ends: tuple[str, ...] = ("", "__exact", "__isnull")
    if isinstance(field, DateField):
        ends += (
            "__gte", "__lte", "_from", "_to", "_from_0", "_from_1", "_to_0", "_to_1",
        )  # fmt: skip
    return {f"{name}{end}" for end in ends}


class RelatedOnlyFilter(RelatedDropdownFilter):
    """A relation's filter that offers only rows that are referred to."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, str]]:
        """Return key and name of the visible related rows."""
        used = model_admin.get_queryset(request).order_by().values(self.field_path)
        rows = restricted(field.remote_field.model, request).filter(pk__in=used)
        return [(row.pk, str(row)) for row in rows[:200]]


class TimeRangeFilter(RangeDateTimeFilter):
    """A filter by a range of datetimes in the active timezone.

    The range includes both occurrences of a repeated time.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the range.

        Raises:
            IncorrectLookupParameters: One of the bounds is not a valid datetime.
        """
        for end, lookup in (("from", "gte"), ("to", "lte")):
            field = LocalDateTimeField(is_end=end == "to")
            parts = [self.used_parameters.get(f"{self.field_path}_{end}_{n}") for n in (0, 1)]
            if not all(parts):
                continue
            try:
                value = field.clean(" ".join(parts))
            except ValidationError as error:
                raise IncorrectLookupParameters(error) from error
            queryset = queryset.filter(**{f"{self.field_path}__{lookup}": value})
        return queryset


class AutocompleteFilter(AutocompleteSelectFilter):
    """A relation's filter for many rows, with an autocompleting select box."""

    def choices(self, changelist: Any) -> Any:
        """Yield the form, with its queryset restricted to visible rows."""
        for choice in super().choices(changelist):
            form = choice["form"]
            rows = restricted(self.field.remote_field.model, self.request)
            form.fields[self.lookup_kwarg].queryset = rows
            form.fields[self.lookup_kwarg].widget.choices.queryset = rows
            yield choice
