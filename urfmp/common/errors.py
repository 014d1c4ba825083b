"""What is answered when nothing else answers: no such page, a lost database, a fault of ours."""

from __future__ import annotations

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from urfmp.common.problems import problem_response

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2


def _wants_problem(request: HttpRequest) -> bool:
    # `/write` is where clients of the first InfluxDB write.
    return request.path.startswith("/api/") or request.path == "/write"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, in the form that the address calls for."""
    if _wants_problem(request):
        return problem_response(400, "malformed", "The request cannot be read.")
    return HttpResponse(render_to_string("400.html"), status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404, in the form that the address calls for."""
    if _wants_problem(request):
        return problem_response(404, "not_found", "There is nothing at this address.")
    return HttpResponse(render_to_string("404.html"), status=404)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, in the form that the address calls for."""
    if _wants_problem(request):
        return problem_response(403, "permission_denied", "You may not do this.")
    return HttpResponse(render_to_string("403.html"), status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 with Retry-After when PostgreSQL is away, 500 for anything else.

    Django calls this from whichever layer raised, so a connection lost at commit or while a
    session is saved is answered like one that is lost inside a view.
    """
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request, error)
    if _wants_problem(request):
        return problem_response(500, "server_error", "The server failed; the fault is recorded.")
    return HttpResponse(render_to_string("500.html"), status=500)


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the 503 for a browser or an API client."""
    logger.warning("The database is not available: %s", error)
    if _wants_problem(request) or request.path == "/healthz":
        response = problem_response(
            503, "unavailable", "The database is not available. Send the request again later."
        )
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
