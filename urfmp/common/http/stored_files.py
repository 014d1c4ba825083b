"""Responses with files that users have uploaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags

# A file of a user, perhaps an SVG: opened as a page, it may run and load nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
# Kept by the browser alone, and asked for each time: access may have ended.
_CACHING = "private, no-cache"


def stored_file_response(
    rows: QuerySet[Any], if_none_match: str, response_of: Callable[[Any], HttpResponse]
) -> HttpResponse:
    """Return a stored file, or 304 if the client has it.

    Args:
        rows: The row with the file, or no row; its column `digest` is the ETag.
        if_none_match: Header of the request.
        response_of: Function that returns the response with the row's content.

    Raises:
        Http404: The row does not exist.
    """
    digest = rows.values_list("digest", flat=True).first()
    if digest is None:
        raise Http404
    # A proxy that compresses a response makes its ETag weak, or appends the coding to it.
    known = {
        text.removeprefix("W/").split("-")[0].strip('"') for text in parse_etags(if_none_match)
    }
    response: HttpResponse
    if digest in known or "*" in known:
        response = HttpResponseNotModified()
    else:
        row = rows.get()
        response, digest = response_of(row), row.digest
    response["ETag"] = f'"{digest}"'
    response["Cache-Control"] = _CACHING
    response["Content-Security-Policy"] = _POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
