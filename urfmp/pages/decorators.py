"""Decorators that every view of the admin site is wrapped in."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.template.loader import render_to_string
from django.template.response import SimpleTemplateResponse
from django.utils import timezone

from urfmp.common.rendering.formats import number_locale
from urfmp.common.time.zones import zone_or_utc

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


def in_user_timezone(view: View) -> View:
    """Run a view and its template in the user's timezone and locale."""

    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        user: Any = request.user
        locale = user.organization.effective_settings.locale
        with timezone.override(zone_or_utc(user.effective_timezone)), number_locale(locale):
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response.render()
        return response

    return update_wrapper(inner, view)
