"""Optimistic locking by ETag and If-Match (RFC 9110, sections 8.8.3 and 13.1.1)."""

from __future__ import annotations

import hashlib
import json
import re
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
    description="An `ETag` from an earlier response, or several, or `*`. If the row has another"
    " version now, nothing is changed and the response is 412 `precondition_failed`.",
)

# What Caddy appends, before the closing quotation mark.
_CODING = re.compile(r'-(?:gzip|zstd)"$')


def etag(version: int | str) -> str:
    """Return the strong ETag of a row's version."""
    return f'"{version}"'


def matches(if_match: str, version: int | str) -> bool:
    """Return whether an `If-Match` header matches a row's version.

    Weak ETags never match. A proxy that compresses a response appends the coding to its ETag.
    """
    given = [part.strip() for part in if_match.split(",")]
    plain = {_CODING.sub('"', part) for part in given}
    return given == ["*"] or etag(version) in plain


class ETagMixin:
    """Adds ETags to responses and honours `If-Match` on changes.

    The ETag is the row's `version` or, without one, a hash of its representation.

    Attributes:
        etag_ignores: Fields that change without a user changing the row.
    """

    request: Any
    _row: Any = None
    etag_ignores: ClassVar[frozenset[str]] = frozenset({"updated_at"})

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Add the two headers where they apply."""
        headers: list[OpenApiParameter] = super().documented_headers(method)  # type: ignore[misc]
        if self._returns_one_row:
            headers = [*headers, ETAG]
        return [*headers, IF_MATCH] if method in {"PATCH", "DELETE"} else headers

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows, locked if a version will be compared.

        Of two concurrent changes with the same version, the second waits, reads the new version
        and is rejected.
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
        """Return the row that the URL names.

        Raises:
            PreconditionFailedError: The client has not read its current version.
        """
        row = self._row = super().get_object()  # type: ignore[misc]
        if (condition := self._condition) is not None:
            version = self.row_version(row)
            if not matches(condition, version):
                raise PreconditionFailedError(version=version)
        return row

    def row_version(self, row: Any) -> int | str:
        """Return a value that changes whenever the row does."""
        if (version := getattr(row, "version", None)) is not None:
            return int(version)
        serializer_class: Any = self.get_serializer_class()  # type: ignore[attr-defined]
        return self._version_of(serializer_class(row, context={"view": self}).data)

    def _version_of(self, representation: Any) -> int | str:
        if (version := representation.get("version")) is not None:
            return int(version)
        shown = {
            name: representation[name] for name in representation if name not in self.etag_ignores
        }
        # As PostgreSQL stores JSON: 2.0 equals 2, and the order of members differs.
        plain = json.loads(JSONRenderer().render(shown), parse_float=_plain)
        text = msgspec.json.encode(plain, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:32]

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the ETag of the returned row."""
        final_response: Response = super().finalize_response(  # type: ignore[misc]
            request, response, *args, **kwargs
        )
        if final_response.status_code not in {200, 201} or not self._returns_one_row:
            return final_response
        is_partial = bool(request.query_params.get("fields"))
        final_response["ETag"] = etag(
            self.row_version(self._row) if is_partial else self._version_of(final_response.data)
        )
        return final_response

    @property
    def _returns_one_row(self) -> bool:
        action: str | None = getattr(self, "action", None)
        return action in {"create", "retrieve", "partial_update"}


def _plain(number: str) -> float | int:
    value = float(number)
    return int(value) if value.is_integer() else value
