"""Error answers of the API: problem details as RFC 9457 describes them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from django.http import HttpResponse

if TYPE_CHECKING:
    from urfmp.common.exceptions import ApplicationError

CONTENT_TYPE = "application/problem+json"
# What a 401 asks for, in WWW-Authenticate.
BEARER = 'Bearer realm="urfmp"'


def problem(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return the body of an error answer.

    Args:
        status: HTTP status.
        code: Stable and machine-readable; clients decide by it.
        detail: What is wrong and what to do, for people.
        extra: Further members, such as `errors`.
    """
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }


def problem_headers(error: ApplicationError) -> dict[str, str]:
    """Return the headers of the answer to a failure: when to come back, what to sign in with."""
    headers = {}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = BEARER
    return headers


def problem_response(status: int, code: str, detail: str, **extra: Any) -> HttpResponse:
    """Return an error answer from code that runs outside of DRF."""
    body = msgspec.json.encode(problem(status, code, detail, **extra))
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE)
