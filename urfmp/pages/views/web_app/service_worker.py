"""The service worker of the web app, and its CSRF token."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from urfmp.common.http.view_policy import view_policy

# Modules of the service worker in order of execution; `base.js` documents what they can use.
SERVICE_WORKER_MODULES = ("base.js", "push.js", "work.js")
# Pictures of notifications, which the modules cannot name themselves.
_PICTURES = {"icon": "icon-192.png", "badge": "badge-96.png"}
_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'"


@view_policy(public=True)
@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """Return the service worker of the whole origin.

    It only imports its modules. Their names change with their content, so a browser that compares
    this text notices every change.
    """
    files = {name: static(f"urfmp/img/{file}") for name, file in _PICTURES.items()}
    urls = [static(f"urfmp/js/service_worker/{name}") for name in SERVICE_WORKER_MODULES]
    lines = [
        '"use strict";',
        f"self.urfmpPictures = {json.dumps(files)};",
        f"importScripts({', '.join(json.dumps(url) for url in urls)});",
    ]
    response = HttpResponse("\n".join([*lines, ""]), content_type="text/javascript")
    response["Content-Security-Policy"] = _POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def csrf_token(request: HttpRequest) -> HttpResponse:
    """Return a CSRF token for requests of the service worker.

    Service workers cannot read the forms of a page. Other origins cannot read the response.
    """
    response = JsonResponse({"token": get_token(request)})
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
