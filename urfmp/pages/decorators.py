"""What every page asks of a request."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.template.loader import render_to_string
from django.template.response import SimpleTemplateResponse
from django.utils import timezone

View = Callable[..., HttpResponseBase]


def _has_nul(values: QueryDict) -> bool:
    return any("\x00" in text for name, texts in values.lists() for text in (name, *texts))


def without_nul(view: View) -> View:
    """Refuse a request with a NUL character anywhere: PostgreSQL has no text that holds one."""

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "\x00" in request.path or _has_nul(request.GET) or _has_nul(request.POST):
            reason = "It holds a NUL character, which cannot be stored or looked for."
            return HttpResponse(render_to_string("400.html", {"reason": reason}), status=400)
        return view(request, *args, **kwargs)

    return update_wrapper(inner, view)


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """Return the timezone of the user's organization, UTC when it names none that exists."""
    try:
        return zoneinfo.ZoneInfo(request.user.organization.timezone)  # type: ignore[union-attr]
    except (KeyError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def in_local_time(view: View) -> View:
    """Run a view, and render its template, in the timezone of the user's organization."""

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with timezone.override(_zone(request)):
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
        return response

    return update_wrapper(inner, view)
