"""What tests of the API's contract share: the document, and the routes of the resolver."""

from __future__ import annotations

import json
import re
from functools import cache
from io import StringIO

from django.core.management import call_command
from django.urls import get_resolver


@cache
def api_document():
    """Return the OpenAPI document; a warning while it is made is a failure."""
    out = StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out
    )
    return json.loads(out.getvalue())


def routes(resolver=None, before="/"):
    """Every route of the resolver as it is written there, with its view."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, path)
        else:
            yield path, pattern.callback


def plain(path):
    """Write a route as the document does, parameters without their names."""
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "{}", path)
    path = re.sub(r"<[^>]+>|\{[^}]*\}", "{}", path)
    return path.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\.", ".")
