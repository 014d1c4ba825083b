"""Responses of the web process to paths that the live process serves."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from urfmp.common.http.problem_details import problem_response


@require_safe
def redirect_to_live(request: HttpRequest) -> HttpResponse:
    """Redirect a client to the live process, which authenticates it.

    If both processes share one origin, the proxy should have routed the request there.
    """
    if settings.LIVE_ORIGIN == settings.WEB_ORIGIN:
        detail = "The live process serves this path; route it there."
        return problem_response(503, "unavailable", detail, retry_after=5)
    response = HttpResponse(status=307)
    response["Location"] = f"{settings.LIVE_ORIGIN}{request.get_full_path()}"
    return response
