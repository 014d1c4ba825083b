from __future__ import annotations

import re
from typing import Any

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import (
    IdempotentRequest,
    idempotent_begin,
    idempotent_finish,
    request_hash,
)

HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="Your own name for this request, such as a UUID. Sent again within 24 hours, the"
    " request is not carried out again: the first answer is repeated, with"
    " `Idempotency-Replayed: true`. 409 `idempotency_in_progress` while the first is under way, 422"
    " `idempotency_key_reused` with another body.",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="`true` on an answer that was given before.",
    response=[201],
)
_FORM = re.compile(r"[!-~]{1,255}")


class IdempotentCreateMixin(mixins.CreateModelMixin):
    """Creation that a client may repeat without harm.

    Only answers of success are kept: a refused request has done nothing and may be corrected and
    sent again under the same key.
    """

    principal: Any

    @extend_schema(parameters=[IDEMPOTENCY_KEY, REPLAYED])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if (key := request.headers.get(HEADER)) is None:
            return super().create(request, *args, **kwargs)
        if not _FORM.fullmatch(key):
            raise ValidationError({HEADER: "Write 1 to 255 visible ASCII characters."})
        wanted = IdempotentRequest(
            organization_id=self.principal.organization_id,
            principal_id=self.principal.pk,
            key=key,
            request_hash=request_hash(str(request.method), request.path, request.data),
        )
        if (found := idempotent_begin(wanted)) is not None:
            return Response(
                msgspec.json.decode(found.answer),
                status=found.status_code,
                headers={"Idempotency-Replayed": "true"},
            )
        response = super().create(request, *args, **kwargs)
        idempotent_finish(
            wanted,
            status_code=response.status_code,
            answer=JSONRenderer().render(response.data),
        )
        return response
