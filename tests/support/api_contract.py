"""The OpenAPI document and the routes, for tests of the API's contract."""

from __future__ import annotations

import json
import re
from functools import cache
from io import StringIO

from django.core.management import call_command
from django.urls import get_resolver


@cache
def api_document():
    """Return the OpenAPI document; a warning during generation is an error."""
    out = StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out
    )
    return json.loads(out.getvalue())


def routes(resolver=None, before="/"):
    """Yield every route of the URL configuration, with its view."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, path)
        else:
            yield path, pattern.callback


def plain(path):
    """Return a route as in the document, with parameters unnamed."""
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "{}", path)
    path = re.sub(r"<[^>]+>|\{[^}]*\}", "{}", path)
    return path.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\.", ".")
