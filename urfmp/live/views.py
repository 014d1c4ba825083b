"""What the web process says about addresses of the live one."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from urfmp.common.http.problem_details import problem_response


@require_safe
def redirect_to_live(request: HttpRequest) -> HttpResponse:
    """Send a client on to the live process, which asks for the credential itself.

    Behind a proxy with one address the request should never have come here.
    """
    if settings.LIVE_ORIGIN == settings.WEB_ORIGIN:
        response = problem_response(
            503, "unavailable", "This address belongs to the live process; route it there."
        )
        response["Retry-After"] = "5"
        return response
    response = HttpResponse(status=307)
    response["Location"] = f"{settings.LIVE_ORIGIN}{request.get_full_path()}"
    return response
