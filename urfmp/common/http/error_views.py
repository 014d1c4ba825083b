"""Responses to unknown addresses, a lost database and unexpected errors."""

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
from urfmp.common.http.api_paths import is_api_path
from urfmp.common.http.problem_details import problem_response
from urfmp.common.log_filters import MAX_LINE_LENGTH, single_line
from urfmp.db.backends.postgresql.hang_detection import QueryTooLongError

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
_TOO_SLOW = (psycopg.errors.QueryCanceled, QueryTooLongError)
# SQL functions that write the audit log, as PostgreSQL names them in an error's context.
_AUDIT_FUNCTIONS = re.compile(r"\baudit_(?:row|record|link|digest|redact|pick|logs|heads)\b")


def _wants_problem(request: HttpRequest) -> bool:
    return is_api_path(request.path)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 400 as problem details or as a page."""
    if _wants_problem(request):
        return problem_response(400, "malformed", "The request is malformed.")
    return HttpResponse(render_to_string("400.html"), status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 404 as problem details or as a page."""
    if _wants_problem(request):
        return problem_response(404, "not_found", "Not found.")
    return HttpResponse(render_to_string("404.html"), status=404)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403 as problem details or as a page."""
    if _wants_problem(request):
        return problem_response(
            403, "permission_denied", "You do not have permission to perform this action."
        )
    return HttpResponse(render_to_string("403.html"), status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 503 if PostgreSQL or the audit log is unavailable, else 500.

    Django calls this from any layer that raises. A connection lost at commit, or while a session
    is saved, therefore gets the same response as one lost inside a view.
    """
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return unavailable(request, error)
    if isinstance(error, ApplicationError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return unavailable(request, error, error.message)
    if audit_write_failed(error):
        reason = "The audit log cannot be written, so nothing was changed."
        return unavailable(request, error, reason, level=logging.ERROR)
    if _wants_problem(request):
        return problem_response(
            500, "server_error", "Internal server error. The error has been logged."
        )
    return HttpResponse(render_to_string("500.html"), status=500)


def audit_write_failed(error: BaseException | None) -> bool:
    """Return whether an error was raised while writing the audit log.

    A change without its audit row is never committed.
    """
    cause = getattr(error, "__cause__", None)
    if not (isinstance(error, DatabaseError) and isinstance(cause, psycopg.Error)):
        return False
    return _AUDIT_FUNCTIONS.search(f"{cause.diag.context} {cause.diag.table_name}") is not None


def unavailable(
    request: HttpRequest,
    error: BaseException | None,
    reason: str | None = None,
    *,
    level: int = logging.WARNING,
) -> HttpResponse:
    """Return 503 as problem details or as a page; log the cause.

    Args:
        request: Request that fails.
        error: Cause, for the log.
        reason: Text for users; the default describes an error of the database.
        level: Level of the log.
    """
    if reason is None:
        is_slow = isinstance(getattr(error, "__cause__", None), _TOO_SLOW)
        reason = (
            "The database took too long to answer." if is_slow else "The database is not available."
        )
    path = request.path.encode("unicode_escape").decode()[:MAX_LINE_LENGTH]
    logger.log(level, "503 %s %s: %s %s", request.method, path, reason, single_line(str(error)))
    if _wants_problem(request) or request.path == "/healthz":
        response = problem_response(503, "unavailable", f"{reason} Try again later.")
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
