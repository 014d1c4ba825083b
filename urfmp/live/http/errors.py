"""Errors of the live process, and the problem details that they become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import Problem, problem, problem_for


class HttpError(Exception):
    """An error response, raised by the code that handles a request."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        """Initialize the error.

        Args:
            status: HTTP status.
            code: Stable, machine-readable code.
            detail: Text for users.
            retry_after: Seconds until the client may retry.
            headers: Further header fields of the response.
            errors: Messages by query parameter.
        """
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.errors = dict(errors or {})

    def problem(self) -> Problem:
        """Return the response's problem details, without the further header fields."""
        extra = {"errors": self.errors} if self.errors else {}
        return problem(self.status, self.code, self.detail, retry_after=self.retry_after, **extra)


async def _http_error(request: Request, error: HttpError) -> Response:
    return _response(error.problem(), error.headers)


async def _application_error(request: Request, error: ApplicationError) -> Response:
    return _response(problem_for(error))


async def _routing_error(request: Request, error: HTTPException) -> Response:
    """Return the response if no route matches path or method."""
    if error.status_code == 404:
        return _response(problem(404, "not_found", "Not found."))
    methods = {name.strip() for name in (error.headers or {}).get("Allow", "").split(",")}
    usable = " or ".join(sorted(methods - {"HEAD", "OPTIONS"}))
    return _response(
        problem(405, "method_not_allowed", f"Use {usable}."),
        {"Allow": ", ".join(sorted(methods))},
    )


def _response(error: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error.body, error.status, {**(headers or {}), **error.headers})


EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
    HttpError: _http_error,
    ApplicationError: _application_error,
    404: _routing_error,
    405: _routing_error,
}
