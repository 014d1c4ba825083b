from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.exceptions import IdempotencyKeyRequiredError
from apps.accounts.services.idempotency import (
    IdempotentRequest,
    idempotency_claim,
    idempotency_principal_id,
    idempotency_store,
    request_hash,
)

HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="A unique value for this request, such as a UUID. A request with the same value"
    " within 24 hours is not processed again: the first response is repeated, with"
    " `Idempotency-Replayed: true`. 409 `idempotency_in_progress` while the first request is being"
    " processed, 422 `idempotency_key_reused` for a different body.",
)
REQUIRED_IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    IDEMPOTENCY_KEY.type,
    OpenApiParameter.HEADER,
    required=True,
    description=IDEMPOTENCY_KEY.description,
)
IDEMPOTENCY_REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    description="Set if the response is a repetition of an earlier one.",
    response=[200, 201, 204],
)
_KEY_PATTERN = re.compile(r"[!-~]{1,255}")


class IdempotentMixin:
    """Mixin for views whose POST supports the `Idempotency-Key` header.

    Only successful responses are stored. A rejected request changed nothing; the client may correct
    it and send it again with the same key.
    """

    principal: Any
    post: Any

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Add the request and the response header to the documentation of POST."""
        headers: list[OpenApiParameter] = super().documented_headers(method)  # type: ignore[misc]
        return [*headers, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED] if method == "POST" else headers

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Wrap POST with the look-up of a stored response, after authorization."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key = request.headers.get(HEADER)
        if request.method == "POST" and key is not None and hasattr(self, "post"):
            self.post = partial(self._post_once, self.post, key)

    def stored_response(self, data: Any) -> Any:
        """Return the response data to store; override to remove secrets."""
        return data

    def _post_once(
        self,
        handler: Callable[..., Response],
        key: str,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> Response:
        if not _KEY_PATTERN.fullmatch(key):
            raise ValidationError({HEADER: "Enter 1 to 255 visible ASCII characters."})
        identified = IdempotentRequest(
            organization_id=self.principal.organization_id,
            principal_id=idempotency_principal_id(self.principal),
            key=key,
            request_hash=request_hash(str(request.method), request.path, request.data),
        )
        if (stored := idempotency_claim(identified)) is not None:
            return Response(
                msgspec.json.decode(stored.answer) if stored.answer else None,
                status=stored.status_code,
                headers={"Idempotency-Replayed": "true"},
            )
        response = handler(request, *args, **kwargs)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            idempotency_store(
                identified,
                status_code=response.status_code,
                body=JSONRenderer().render(self.stored_response(response.data)),
            )
        return response


class RequiredIdempotencyMixin(IdempotentMixin):
    """Mixin for view sets with actions that require the `Idempotency-Key` header.

    Attributes:
        idempotency_required_actions: These actions, by DRF's names.
    """

    idempotency_required_actions: ClassVar[frozenset[str]] = frozenset()

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Document the request header as required."""
        headers = super().documented_headers(method)
        if getattr(self, "action", None) not in self.idempotency_required_actions:
            return headers
        return [REQUIRED_IDEMPOTENCY_KEY if h is IDEMPOTENCY_KEY else h for h in headers]

    def require_idempotency_key(self, request: Request) -> None:
        """Reject a request without the header; call it after look-ups.

        Raises:
            IdempotencyKeyRequiredError: The header is missing.
        """
        if HEADER not in request.headers:
            raise IdempotencyKeyRequiredError


class IdempotentCreateMixin(IdempotentMixin, mixins.CreateModelMixin):
    """Create mixin that supports the `Idempotency-Key` header."""
