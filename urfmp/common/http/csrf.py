"""The response to a form without a valid CSRF token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from urfmp.common.http.error_views import permission_denied


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return 403 as problem details or as a page.

    Django's own page has an inline style, which our content security policy blocks.
    """
    return permission_denied(request, PermissionError(reason))
