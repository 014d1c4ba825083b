"""Forms whose token or session has expired.

The page keeps what was typed and offers to submit it again, with a fresh token. The user decides
that. A form that another site may have sent is never offered again.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import capfirst

from apps.accounts.middleware.principal import PrincipalMiddleware
from urfmp.common.http.api_paths import is_api_path
from urfmp.common.http.error_views import permission_denied
from urfmp.common.http.view_policy import view_policy
from urfmp.pages.theme import UNFOLD

# Their values are never written into a page.
_SECRET_NAMES = re.compile(r"pass|secret|token|code|key\b", re.IGNORECASE)
_MAX_KEPT_CHARACTERS = 200_000


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Return the page that keeps the form.

    A form that another site may have sent gets 403.
    """
    if is_api_path(request.path) or not _is_own_form(request):
        return permission_denied(request, PermissionError(reason))
    middleware = PrincipalMiddleware(_render)
    return middleware.process_view(request, _with_user, [], {}) or _render(request)


def session_expired(request: HttpRequest) -> HttpResponse:
    """Return the page that keeps a form sent without a session."""
    return _render(request)


@view_policy(allow_without_second_factor=True, home_organization=True)
def _with_user(request: HttpRequest) -> HttpResponse:
    return _render(request)


def _is_own_form(request: HttpRequest) -> bool:
    """Return whether the browser names this site as the form's sender."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    sender = urlsplit(request.headers.get("Origin") or request.headers.get("Referer") or "")
    return (sender.scheme, sender.netloc) == (request.scheme, request.get_host())


def _render(request: HttpRequest) -> HttpResponse:
    fields, is_complete = _kept_fields(request)
    sign_in = f"{reverse('admin:login')}?{urlencode({'next': reverse('admin:index')})}"
    context: dict[str, Any] = {
        "title": "Submit again",
        "site_title": admin.site.site_title,
        # Without them the theme's dialogs would cover the page.
        "styles": [address(request) for address in UNFOLD["STYLES"]],
        "scripts": [address(request) for address in UNFOLD["SCRIPTS"]],
        "action": request.get_full_path(),
        "fields": fields,
        "texts": _labelled_texts(fields),
        "is_complete": is_complete,
        "is_signed_in": admin.site.has_permission(request),
        "sign_in": sign_in,
    }
    response = HttpResponse(
        render_to_string("pages/expired_form.html", context, request), status=403
    )
    response["Cache-Control"] = "no-store"
    return response


def _kept_fields(request: HttpRequest) -> tuple[list[tuple[str, str]], bool]:
    """Return the fields without secrets, and whether they are complete."""
    sent = [
        (name, value)
        for name, values in request.POST.lists()
        if name != "csrfmiddlewaretoken"
        for value in values
        if "\x00" not in name + value
    ]
    kept = [(name, value) for name, value in sent if not _SECRET_NAMES.search(name)]
    if sum(len(name) + len(value) for name, value in kept) > _MAX_KEPT_CHARACTERS:
        kept = []
    return kept, len(kept) == len(sent) and not request.FILES


def _labelled_texts(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what was typed, by a label derived from each field's name.

    The parts of a split field, such as date and time, are joined.
    """
    texts: dict[str, list[str]] = {}
    for name, value in fields:
        if _is_text(name, value):
            label = capfirst(re.sub(r"_\d+$", "", name).replace("_", " "))
            texts.setdefault(label, []).append(value)
    return [(label, " ".join(values)) for label, values in texts.items()]


def _is_text(name: str, value: str) -> bool:
    return bool(value.strip()) and not name.startswith("_") and name != "next"
