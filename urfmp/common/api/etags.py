"""Changing only what one has read: ETag and If-Match (RFC 9110, sections 8.8.3 and 13.1.1)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
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
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="An `ETag` as it was read, or several, or `*`. If the row has another version by"
    " now, nothing is changed and the answer is 412 `precondition_failed`.",
)


def etag(version: int) -> str:
    """Return the strong ETag of a row's version."""
    return f'"{version}"'


def matches(if_match: str, version: int) -> bool:
    """Tell whether a row's version is among those of an `If-Match` header; weak ones never are."""
    given = [part.strip() for part in if_match.split(",")]
    return given == ["*"] or etag(version) in given


class ETagMixin:
    """Rows with a `version`: answers carry its ETag, and changes heed `If-Match`."""

    request: Any
    _row: Any = None

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
        if (condition := self._condition) is not None and not matches(condition, row.version):
            raise PreconditionFailedError(version=row.version)
        return row

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the ETag of the row that is answered with."""
        answer: Response = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        if answer.status_code in {200, 201}:
            given = getattr(answer, "data", None)
            data = given if isinstance(given, dict) else {}
            version = data.get("version") or getattr(self._row, "version", None)
            if version is not None:
                answer["ETag"] = etag(version)
        return answer
