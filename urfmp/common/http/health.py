"""Health check of the web process."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from urfmp.common.http.error_views import unavailable


def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 if PostgreSQL answers, else 503 with Retry-After."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError) as error:
        return unavailable(request, error)
    return JsonResponse({"status": "ok"})
