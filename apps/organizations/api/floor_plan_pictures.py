"""The picture of a floor plan, for pages and the API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags

# The picture is an SVG of a user, perhaps: opened as a page it may run and load nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
# Kept by the browser alone, and asked for each time: access may have ended.
_CACHING = "private, no-cache"


def picture_response(plans: QuerySet[Any], if_none_match: str) -> HttpResponse:
    """Return the picture, or 304 if the client has it.

    Args:
        plans: The plan, or no row.
        if_none_match: Header of the request.

    Raises:
        Http404: The facility does not have a floor plan.
    """
    digest = plans.values_list("digest", flat=True).first()
    if digest is None:
        raise Http404
    tag = f'"{digest}"'
    # A proxy that compresses a response makes its ETag weak, or appends the coding to it.
    known = {
        text.removeprefix("W/").split("-")[0].strip('"') for text in parse_etags(if_none_match)
    }
    response: HttpResponse
    if digest in known or "*" in known:
        response = HttpResponseNotModified()
    else:
        plan = plans.only("picture", "media_type", "digest").get()
        response = HttpResponse(bytes(plan.picture), content_type=plan.media_type)
        tag = f'"{plan.digest}"'
    response["ETag"] = tag
    response["Cache-Control"] = _CACHING
    response["Content-Security-Policy"] = _POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
