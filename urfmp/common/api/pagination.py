"""Pages that neither skip nor repeat rows while others are written."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import F, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

_DEFAULT_SIZE, _MAX_SIZE = 100, 1000


class Cursor(BasePagination):
    """Keyset pagination: the cursor is the last row's ordering value and id.

    The answer is `{"results": [...], "next": URL or null}`.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any]:
        """Return one page, ordered by the view's ordering and then by id.

        Raises:
            ValidationError: The cursor or the page size is none of ours.
        """
        ordering = view.current_ordering(request)
        field, descending = ordering.removeprefix("-"), ordering.startswith("-")
        size = self._page_size(request)
        if cursor := request.query_params.get("cursor"):
            queryset = self._after(queryset, field, cursor, descending=descending)
        key = F(field).desc(nulls_last=True) if descending else F(field).asc(nulls_last=True)
        try:
            rows = list(queryset.order_by(key, "-pk" if descending else "pk")[: size + 1])
        except (DjangoValidationError, ValueError) as error:
            raise _bad_cursor() from error
        self._next = None
        if len(rows) > size:
            rows = rows[:size]
            last = [getattr(rows[-1], field), rows[-1].pk]
            token = base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()
            self._next = replace_query_param(request.build_absolute_uri(), "cursor", token)
        return rows

    def _page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(_DEFAULT_SIZE))
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:6]) <= _MAX_SIZE):
            raise ValidationError({"page_size": f"Write a whole number from 1 to {_MAX_SIZE}."})
        return int(given)

    def _after(
        self, queryset: QuerySet[Any], field: str, cursor: str, *, descending: bool
    ) -> QuerySet[Any]:
        try:
            value, last_id = msgspec.json.decode(base64.urlsafe_b64decode(cursor))
            comparison = "lt" if descending else "gt"
            same = Q(**{field: value}) if value is not None else Q(**{f"{field}__isnull": True})
            condition = same & Q(**{f"pk__{comparison}": last_id})
            if value is not None:
                condition |= Q(**{f"{field}__{comparison}": value})
                condition |= Q(**{f"{field}__isnull": True})
            return queryset.filter(condition)
        except (
            binascii.Error,
            msgspec.DecodeError,
            DjangoValidationError,
            ValueError,
            TypeError,
        ) as error:
            raise _bad_cursor() from error

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the address of the next one."""
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page for the OpenAPI document."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the query parameters for the OpenAPI document."""
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "From the `next` address of the page before.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": _MAX_SIZE},
            },
        ]


def _bad_cursor() -> ValidationError:
    return ValidationError({"cursor": "This cursor is not from a page of this list."})
