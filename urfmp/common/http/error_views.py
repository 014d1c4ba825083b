"""What is answered when nothing else answers: no such page, a lost database, a fault of ours."""

from __future__ import annotations

import logging
import re
import sys
from http import HTTPStatus

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import problem_response

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
# The functions that write the record, in PostgreSQL's account of where an error came from.
_AUDIT_FUNCTIONS = re.compile(r"\baudit_(?:row|record|link|digest|redact|pick|logs|heads)\b")


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
    """Answer 503 with Retry-After when PostgreSQL or the record is away, 500 for anything else.

    Django calls this from whichever layer raised, so a connection lost at commit or while a
    session is saved is answered like one that is lost inside a view.
    """
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request, error)
    if isinstance(error, ApplicationError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return unavailable(request, error, error.message)
    if audit_write_failed(error):
        logger.error("The audit record cannot be written, so nothing is done: %s", error)
        return unavailable(
            request, error, "The audit record cannot be written, so nothing was done."
        )
    if _wants_problem(request):
        return problem_response(500, "server_error", "The server failed; the fault is recorded.")
    return HttpResponse(render_to_string("500.html"), status=500)


def audit_write_failed(error: BaseException | None) -> bool:
    """Tell whether it was the writing of the audit record that failed: no act without a record."""
    cause = getattr(error, "__cause__", None)
    if not (isinstance(error, DatabaseError) and isinstance(cause, psycopg.Error)):
        return False
    return _AUDIT_FUNCTIONS.search(f"{cause.diag.context} {cause.diag.table_name}") is not None


def unavailable(
    request: HttpRequest,
    error: BaseException | None,
    reason: str = "The database is not available.",
) -> HttpResponse:
    """Return the 503 for a browser or an API client."""
    logger.warning("%s %s", reason, error)
    if _wants_problem(request) or request.path == "/healthz":
        response = problem_response(503, "unavailable", f"{reason} Send the request again later.")
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
