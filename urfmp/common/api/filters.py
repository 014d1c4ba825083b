"""Filters and ordering of lists; unknown parameters are rejected, not ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError as FormError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from urfmp.common.api.datetimes import NEEDS_OFFSET

_COMMON = frozenset({"cursor", "page_size", "ordering", "fields"})


def reject_unknown_params(request: Request, known: Collection[str]) -> None:
    """Reject unknown query parameters and null characters, which no row contains.

    Raises:
        ValidationError: With one entry for each invalid parameter.
    """
    if unknown := sorted(set(request.query_params) - set(known)):
        raise ValidationError(dict.fromkeys(unknown, "Unknown parameter."))
    for name, values in request.query_params.lists():
        if any("\x00" in value for value in values):
            raise ValidationError({name: "Null characters are not allowed."})


def reject_empty_params(request: Request, names: Iterable[str]) -> None:
    """Reject parameters without a value: an ignored filter would match every row.

    Raises:
        ValidationError: With one entry for each empty parameter.
    """
    if empty := [name for name in names if "" in request.query_params.getlist(name)]:
        raise ValidationError(dict.fromkeys(empty, "Enter a value or omit the parameter."))


class _TrueOrFalse(forms.NullBooleanField):
    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]
        if value in self.empty_values:
            return None
        if (known := {"true": True, "false": False}.get(str(value).lower())) is None:
            msg = "Enter true or false."
            raise FormError(msg)
        return known

    def validate(self, value: Any) -> None:
        """Do nothing: `to_python` validates, and the value is optional."""


class BooleanFilter(django_filters.BooleanFilter):
    """A boolean filter; django-filter's own ignores any invalid value."""

    field_class = _TrueOrFalse

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep the text widget: django-filter would use a select box."""
        kwargs.setdefault("widget", forms.TextInput)
        super().__init__(*args, **kwargs)


class ScopedFilterBackend(DjangoFilterBackend):
    """django-filter's backend that rejects undeclared parameters.

    Filter by another row's id with a UUIDFilter. A foreign id and a missing one both match no
    rows, so the response does not reveal which ids exist.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """Return the rows that match the query parameters.

        Raises:
            ValidationError: A parameter is unknown or its value is invalid.
        """
        filterset_class = self.get_filterset_class(view, queryset)
        known = _COMMON | (set(filterset_class.base_filters) if filterset_class else set())
        reject_unknown_params(request, known)
        if filterset_class:
            reject_empty_params(request, _filters_with_value(filterset_class))
        return super().filter_queryset(request, queryset, view)


def _filters_with_value(filterset_class: Any) -> list[str]:
    return [
        name
        for name, found in filterset_class.base_filters.items()
        if type(found) is not django_filters.CharFilter
    ]


class _AwareDateTimeField(IsoDateTimeField):
    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            with suppress(ValueError):
                parsed = parse_datetime(value.strip())
                if parsed is not None and timezone.is_naive(parsed):
                    raise FormError(NEEDS_OFFSET)
        return super().to_python(value)


class AwareDateTimeFilter(django_filters.IsoDateTimeFilter):
    """A datetime with offset; django-filter's own reads one without as UTC."""

    field_class = _AwareDateTimeField


class OrderingFilter(BaseFilterBackend):
    """Describe `?ordering`; the paginator applies it."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """Return the rows unchanged: keyset pagination orders them."""
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the parameter for the OpenAPI document."""
        names = [name for field in view.ordering_fields for name in (field, f"-{field}")]
        return [
            {
                "name": "ordering",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "enum": names},
            }
        ]
