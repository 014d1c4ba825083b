"""Middleware that knows nothing of the apps."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from urfmp.common.http.client_ip import forwarded_ip
from urfmp.common.http.problem_details import problem_response
from urfmp.common.http.request_state import request_state
from urfmp.common.security.redaction import redact_text

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the client's `X-Request-ID` when it is plain and no credential, else a new one."""
    given = headers.get("X-Request-ID", "")
    is_taken = _REQUEST_ID.fullmatch(given) and redact_text(given) == given
    return given if is_taken else uuid.uuid4().hex


def user_agent_of(headers: Mapping[str, str]) -> str:
    """Return what the client calls itself, without credentials that it has put there."""
    return redact_text(headers.get("User-Agent", "")[:1000])


class RequestIdMiddleware:
    """Give each request an id, taking over the client's `X-Request-ID` when it is plain."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Echo the id in the answer."""
        request_id = request_id_of(request.headers)
        request_state(request).request_id = request_id
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class ClientAddressMiddleware:
    """Behind our proxy, take the client's address from what the proxy says.

    Only with TRUST_PROXY: elsewhere anybody could write the header.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.TRUST_PROXY:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Put the address where everything reads it."""
        if forwarded := request.META.get("HTTP_X_FORWARDED_FOR"):
            request.META["REMOTE_ADDR"] = forwarded_ip(forwarded)
        return self.get_response(request)


class BodyLengthMiddleware:
    """Ask for a length: Django reads a chunked body as an empty one, which would lose it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 411 to a body whose length is not told."""
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            detail = "Send the body with a Content-Length, not in chunks."
            return problem_response(411, "length_required", detail)
        return self.get_response(request)


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Put the content security policy on pages: nothing else is shown by a browser as one."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add it to HTML, and to what could be taken for it."""
        if response.get("Content-Type", "").startswith(("application/json", "application/problem")):
            return response
        return super().process_response(request, response)


class ApiCacheMiddleware:
    """Keep answers of the API out of shared caches: what they hold depends on who asks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Say so on every answer of the API."""
        response = self.get_response(request)
        if request.path.startswith("/api/"):
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ("Authorization", "X-API-Key", "Cookie"))
        return response
