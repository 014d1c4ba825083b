"""Keyset pagination: concurrent writes neither skip nor repeat rows."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import FieldDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import F, Model, Q, QuerySet
from django.utils.timezone import is_naive
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

_DEFAULT_SIZE = 100
_MAX_SIZE = 1000


class KeysetPagination(BasePagination):
    """Keyset pagination, ordered by one field and then by id.

    A cursor contains the ordering, the last row's value and its id.

    The response is `{"results": [...], "next": URL or null}`.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return one page, ordered by the view's ordering and then by id.

        Raises:
            ValidationError: The cursor or the page size is invalid.
        """
        ordering = view.current_ordering(request)
        field, descending = ordering.removeprefix("-"), ordering.startswith("-")
        size = self._page_size(request)
        if cursor := request.query_params.get("cursor"):
            queryset = _after(queryset, ordering, cursor)
        key = F(field).desc(nulls_last=True) if descending else F(field).asc(nulls_last=True)
        rows = list(queryset.order_by(key, "-pk" if descending else "pk")[: size + 1])
        self._next = None
        if len(rows) > size:
            rows = rows[:size]
            last = [ordering, getattr(rows[-1], field), rows[-1].pk]
            token = base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()
            self._next = replace_query_param(request.build_absolute_uri(), "cursor", token)
        return rows

    def _page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(_DEFAULT_SIZE))
        fits = given.isascii() and given.isdigit() and len(given) <= len(str(_MAX_SIZE))
        if not (fits and 1 <= int(given) <= _MAX_SIZE):
            raise ValidationError({"page_size": f"Enter a whole number from 1 to {_MAX_SIZE}."})
        return int(given)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the URL of the next one."""
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page for the OpenAPI document."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the query parameters for the OpenAPI document."""
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "From the `next` URL of the previous page.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": _MAX_SIZE},
            },
        ]


def _after(queryset: QuerySet[Any], ordering: str, cursor: str) -> QuerySet[Any]:
    """Return the rows after the one that a cursor names."""
    try:
        value, last = _read(queryset.model, ordering, cursor)
    except (
        binascii.Error,
        msgspec.DecodeError,
        DjangoValidationError,
        FieldDoesNotExist,
        RecursionError,
        ValueError,
        TypeError,
    ) as error:
        raise ValidationError({"cursor": "Invalid cursor for this list and ordering."}) from error
    field, comparison = ordering.removeprefix("-"), "lt" if ordering.startswith("-") else "gt"
    same = Q(**{f"{field}__isnull": True}) if value is None else Q(**{field: value})
    condition = same & Q(**{f"pk__{comparison}": last})
    if value is not None:
        condition |= Q(**{f"{field}__{comparison}": value}) | Q(**{f"{field}__isnull": True})
    return queryset.filter(condition)


def _read(model: type[Model], ordering: str, cursor: str) -> tuple[Any, Any]:
    """Return the ordering value and the primary key in a cursor."""
    given_ordering, value, key = msgspec.json.decode(base64.urlsafe_b64decode(cursor))
    if given_ordering != ordering:
        msg = "The cursor belongs to another ordering."
        raise ValueError(msg)
    field = model._meta.get_field(ordering.removeprefix("-"))
    if value is not None:
        value = _typed(field, value)
    key_fields = model._meta.pk_fields
    if len(key_fields) == 1:
        return value, _typed(key_fields[0], key)
    return value, tuple(_typed(field, part) for field, part in zip(key_fields, key, strict=True))


def _typed(field: Any, value: Any) -> Any:
    """Return a cursor's value with its field's type.

    Raises:
        ValueError: The value is a datetime without an offset, or a text with a null character.
    """
    value = field.to_python(value)
    if isinstance(value, datetime) and is_naive(value):
        msg = "Datetimes in a cursor need an offset."
        raise ValueError(msg)
    if value is None or (isinstance(value, str) and "\x00" in value):
        msg = "No row can have this value."
        raise ValueError(msg)
    return value
