"""Decorators that every view of the admin site is wrapped in."""

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


def reject_nul(view: View) -> View:
    """Reject requests that contain a NUL character with 400.

    PostgreSQL cannot store NUL characters in text.
    """

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "\x00" in request.path or _has_nul(request.GET) or _has_nul(request.POST):
            reason = "It contains a NUL character, which cannot be stored or searched for."
            return HttpResponse(render_to_string("400.html", {"reason": reason}), status=400)
        return view(request, *args, **kwargs)

    return update_wrapper(inner, view)


def _organization_timezone(request: HttpRequest) -> zoneinfo.ZoneInfo:
    """Return the organization's timezone, or UTC if it is invalid."""
    try:
        return zoneinfo.ZoneInfo(request.user.organization.timezone)  # type: ignore[union-attr]
    except (KeyError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def in_organization_timezone(view: View) -> View:
    """Run a view and render its template in the organization's timezone."""

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with timezone.override(_organization_timezone(request)):
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
        return response

    return update_wrapper(inner, view)
