"""Changing only what one has read: ETag and If-Match (RFC 9110, sections 8.8.3 and 13.1.1)."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

import msgspec
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from urfmp.common.exceptions import PreconditionFailedError

ETAG = OpenApiParameter(
    "ETag",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The row's version, for `If-Match`.",
    response=[200, 201],
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="An `ETag` as it was read, or several, or `*`. If the row has another version by"
    " now, nothing is changed and the answer is 412 `precondition_failed`.",
)


def etag(version: int | str) -> str:
    """Return the strong ETag of a row's version."""
    return f'"{version}"'


def matches(if_match: str, version: int | str) -> bool:
    """Tell whether a row's version is among those of an `If-Match` header; weak ones never are."""
    given = [part.strip() for part in if_match.split(",")]
    return given == ["*"] or etag(version) in given


class ETagMixin:
    """Rows that are changed: answers carry their ETag, and changes heed `If-Match`.

    A row with a `version` goes by it; any other by what its answer shows.

    Attributes:
        etag_ignores: Fields that move without anybody changing the row.
    """

    request: Any
    _row: Any = None
    etag_ignores: ClassVar[frozenset[str]] = frozenset({"updated_at"})

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Add the two headers where they mean something."""
        headers: list[OpenApiParameter] = super().documented_headers(method)  # type: ignore[misc]
        if self._answers_with_a_row:
            headers = [*headers, ETAG]
        return [*headers, IF_MATCH] if method in {"PATCH", "DELETE"} else headers

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows; locked where a version is going to be compared.

        Of two changes that name the same version the second waits, sees the new version and is
        refused.
        """
        rows: QuerySet[Any] = super().get_queryset()  # type: ignore[misc]
        return rows.select_for_update(of=("self",), no_key=True) if self._condition else rows

    @property
    def _condition(self) -> str | None:
        request = getattr(self, "request", None)
        if request is None or request.method not in {"PATCH", "DELETE"}:
            return None
        condition: str | None = request.headers.get("If-Match")
        return condition

    def get_object(self) -> Any:
        """Return the row that the address names.

        Raises:
            PreconditionFailedError: The caller has not seen its present version.
        """
        row = self._row = super().get_object()  # type: ignore[misc]
        if (condition := self._condition) is not None:
            version = self.row_version(row)
            if not matches(condition, version):
                raise PreconditionFailedError(version=version)
        return row

    def row_version(self, row: Any) -> int | str:
        """Return what changes whenever the row does."""
        if (version := getattr(row, "version", None)) is not None:
            return int(version)
        serializer_class: Any = self.get_serializer_class()  # type: ignore[attr-defined]
        return self._version_of(serializer_class(row, context={"view": self}).data)

    def _version_of(self, answer: Any) -> int | str:
        if (version := answer.get("version")) is not None:
            return int(version)
        shown = {name: answer[name] for name in answer if name not in self.etag_ignores}
        # As it comes back from the database: 2.0 is 2 there, and members have another order.
        plain = json.loads(JSONRenderer().render(shown), parse_float=_plain)
        text = msgspec.json.encode(plain, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:32]

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the ETag of the row that is answered with."""
        answer: Response = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        if answer.status_code not in {200, 201} or not self._answers_with_a_row:
            return answer
        in_part = bool(request.query_params.get("fields"))
        answer["ETag"] = etag(
            self.row_version(self._row) if in_part else self._version_of(answer.data)
        )
        return answer

    @property
    def _answers_with_a_row(self) -> bool:
        action: str | None = getattr(self, "action", None)
        return action in {"create", "retrieve", "partial_update"}


def _plain(number: str) -> float | int:
    value = float(number)
    return int(value) if value.is_integer() else value
