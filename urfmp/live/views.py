"""Response of the web process to paths that the live process serves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from urfmp.common.http.problem_details import problem_response


def served_by_live(request: HttpRequest) -> HttpResponse:
    """Return 503: the proxy should have routed this to live."""
    detail = "The live process serves this path; route it there."
    return problem_response(503, "unavailable", detail, retry_after=5)
