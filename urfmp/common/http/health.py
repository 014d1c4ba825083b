"""Health checks of the web process and of background work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from urfmp.common.http.error_views import unavailable
from urfmp.db.backends.postgresql.hang_detection import server_address, server_watch

MAX_CHECK_SECONDS = 1.0

ReadinessCheck = Callable[[], list[str]]
"""A function that returns problems, as sentences without data of an organization."""

_checks: list[ReadinessCheck] = []


def add_readiness_check(check: ReadinessCheck) -> None:
    """Let `/readyz` run a check; apps add theirs in `AppConfig.ready()`."""
    if check not in _checks:
        _checks.append(check)


def check_database() -> None:
    """Execute a trivial query.

    Raises:
        OperationalError: PostgreSQL does not answer within a second.
    """
    with connection.wrap_database_errors:
        server_watch.raise_if_hung()
        address = server_address(connection.get_connection_params())
        if connection.connection is None and address is not None:
            # Connecting would take longer to fail.
            server_watch.raise_unless_answering(address, MAX_CHECK_SECONDS)
    connection.ensure_connection()
    link: Any = connection.connection
    previous, link.max_query_seconds = link.max_query_seconds, MAX_CHECK_SECONDS
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        link.max_query_seconds = previous


def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 if PostgreSQL answers within a second, else 503 with Retry-After."""
    try:
        check_database()
    except (OperationalError, InterfaceError) as error:
        return unavailable(request, error)
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Return 200 if background work is done in time, else 503.

    Meant for monitoring. Unlike `healthz` it says nothing about this process: do not restart a
    process because of it.
    """
    try:
        check_database()
        problems = [problem for check in _checks for problem in check()]
    except (OperationalError, InterfaceError) as error:
        return unavailable(request, error)
    if problems:
        return JsonResponse({"status": "degraded", "problems": problems}, status=503)
    return JsonResponse({"status": "ok", "problems": []})
