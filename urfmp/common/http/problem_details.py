"""Error responses of the API as RFC 9457 problem details.

`problem` and `problem_for` know nothing of a framework: Django views, REST framework, the live
process and the servers all build their error responses from the `Problem` that they return.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from django.http import HttpResponse

if TYPE_CHECKING:
    from urfmp.common.exceptions import ApplicationError

CONTENT_TYPE = "application/problem+json"
# Value of WWW-Authenticate.
BEARER = 'Bearer realm="urfmp"'


@dataclass(frozen=True)
class Problem:
    """An error response, independent of the framework that sends it.

    Attributes:
        status: HTTP status.
        headers: Header fields: Retry-After and WWW-Authenticate where they apply.
        members: Members of the JSON body.
    """

    status: int
    headers: dict[str, str]
    members: dict[str, Any]

    @property
    def body(self) -> bytes:
        """Return the body, encoded."""
        return msgspec.json.encode(self.members)


def problem(
    status: int, code: str, detail: str, *, retry_after: int | None = None, **extra: Any
) -> Problem:
    """Return an error response.

    Args:
        status: HTTP status.
        code: Stable, machine-readable code that clients act on.
        detail: Text for users: the error and its remedy.
        retry_after: Seconds until the client may retry.
        extra: Further members of the body, such as `errors`.
    """
    headers = error_headers(status, retry_after)
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        **extra,
    }
    return Problem(int(status), {"Content-Type": CONTENT_TYPE, **headers}, members)


def error_headers(
    status: int, retry_after: int | None = None, *, authenticate: str = BEARER
) -> dict[str, str]:
    """Return the headers of an error, in whatever format its body is.

    Args:
        status: HTTP status.
        retry_after: Seconds until the client may retry.
        authenticate: Value of WWW-Authenticate in a response with status 401.
    """
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = authenticate
    return headers


def problem_for(error: ApplicationError) -> Problem:
    """Return the response for an expected error."""
    return problem(
        error.status, error.code, error.message, retry_after=error.retry_after, **error.extra
    )


def problem_response(
    status: int, code: str, detail: str, *, retry_after: int | None = None, **extra: Any
) -> HttpResponse:
    """Return an error response from code that runs outside of REST framework."""
    return _django_response(problem(status, code, detail, retry_after=retry_after, **extra))


def error_response(error: ApplicationError) -> HttpResponse:
    """Return the response for an expected error, outside of REST framework."""
    return _django_response(problem_for(error))


def _django_response(found: Problem) -> HttpResponse:
    return HttpResponse(found.body, status=found.status, headers=found.headers)
