"""Health check of the web process."""

from __future__ import annotations

from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from urfmp.common.http.error_views import unavailable
from urfmp.db.backends.postgresql.hang_detection import server_address, server_watch

MAX_CHECK_SECONDS = 1.0


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
