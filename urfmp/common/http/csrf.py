"""What a form is answered with that did not come from our own page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from urfmp.common.http.error_views import permission_denied


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403, in the form that the address calls for; Django's own page holds a style."""
    return permission_denied(request, PermissionError(reason))
