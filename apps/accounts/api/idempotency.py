from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID, uuid5

import msgspec
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services.idempotency import (
    IdempotentRequest,
    idempotent_begin,
    idempotent_finish,
    request_hash,
)

HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="Your own name for this request, such as a UUID. Sent again within 24 hours, the"
    " request is not carried out again: the first answer is repeated, with"
    " `Idempotency-Replayed: true`. 409 `idempotency_in_progress` while the first is under way, 422"
    " `idempotency_key_reused` with another body.",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    description="On an answer that was given before.",
    response=[200, 201, 204],
)
_FORM = re.compile(r"[!-~]{1,255}")


def _principal_id(principal: Any) -> UUID:
    """Return whose key it is: a super admin is somebody else in each organization."""
    if getattr(principal, "home_organization_id", None) is None:
        return cast("UUID", principal.pk)
    return uuid5(principal.organization_id, str(principal.pk))


class IdempotentMixin:
    """Views whose POST a client may repeat without harm, whatever it does.

    Only answers of success are kept: a refused request has done nothing and may be corrected and
    sent again under the same key.
    """

    principal: Any
    post: Any

    def documented_headers(self, method: str) -> list[OpenApiParameter]:
        """Add the two headers to what POST does."""
        headers: list[OpenApiParameter] = super().documented_headers(method)  # type: ignore[misc]
        return [*headers, IDEMPOTENCY_KEY, REPLAYED] if method == "POST" else headers

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Put the look for an earlier answer before a POST, once the caller is let in."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key = request.headers.get(HEADER)
        if request.method == "POST" and key is not None and hasattr(self, "post"):
            self.post = partial(self._once, self.post, key)

    def kept_answer(self, data: Any) -> Any:
        """Return what is kept of an answer, and repeated: without anything secret."""
        return data

    def _once(
        self,
        handler: Callable[..., Response],
        key: str,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> Response:
        if not _FORM.fullmatch(key):
            raise ValidationError({HEADER: "Write 1 to 255 visible ASCII characters."})
        wanted = IdempotentRequest(
            organization_id=self.principal.organization_id,
            principal_id=_principal_id(self.principal),
            key=key,
            request_hash=request_hash(str(request.method), request.path, request.data),
        )
        if (found := idempotent_begin(wanted)) is not None:
            return Response(
                msgspec.json.decode(found.answer) if found.answer else None,
                status=found.status_code,
                headers={"Idempotency-Replayed": "true"},
            )
        response = handler(request, *args, **kwargs)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            idempotent_finish(
                wanted,
                status_code=response.status_code,
                answer=JSONRenderer().render(self.kept_answer(response.data)),
            )
        return response


class IdempotentCreateMixin(IdempotentMixin, mixins.CreateModelMixin):
    """Creation that a client may repeat without harm."""
