"""Middleware that is independent of the apps."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import cast

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.api_paths import is_api_path
from urfmp.common.http.client_ip import forwarded_ip
from urfmp.common.http.downloads import DownloadResponse
from urfmp.common.http.error_views import unavailable
from urfmp.common.http.problem_details import CONTENT_TYPE, error_response
from urfmp.common.http.request_state import request_state
from urfmp.common.http.view_policy import ErrorFormat, policy_of
from urfmp.common.log_filters import client_of_log
from urfmp.common.security.redaction import redact_text

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the client's `X-Request-ID` if it is valid, else a new one.

    A text that looks like a credential is not valid.
    """
    given = headers.get("X-Request-ID", "")
    is_valid = _REQUEST_ID.fullmatch(given) and redact_text(given) == given
    return given if is_valid else uuid.uuid4().hex


def user_agent_of(headers: Mapping[str, str]) -> str:
    """Return the client's `User-Agent`, with credentials redacted."""
    return redact_text(headers.get("User-Agent", "")[:1000])


class RequestIdMiddleware:
    """Give each request an id.

    The client's `X-Request-ID` is used if it is valid.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Send the id in the response."""
        request_id = request_id_of(request.headers)
        request_state(request).request_id = request_id
        with client_of_log(request.META.get("REMOTE_ADDR", "")):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class ClientAddressMiddleware:
    """Read the client's IP address from the header that our proxy sets.

    Active only with TRUST_PROXY: without a proxy, any client could forge the header.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.TRUST_PROXY:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set REMOTE_ADDR, which all other code reads."""
        if forwarded := request.META.get("HTTP_X_FORWARDED_FOR"):
            request.META["REMOTE_ADDR"] = forwarded_ip(forwarded)
        return self.get_response(request)


class StreamStartMiddleware:
    """Produce the first part of a download before its response begins.

    Until then an error has a response of its own. Inside are all middleware and views that use
    the database: the transaction of the download stays open from here on.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the download, or the error that prevents it."""
        response = self.get_response(request)
        if isinstance(response, DownloadResponse):
            try:
                response.start()
            except ApplicationError as error:
                return error_response(error)
            except (OperationalError, InterfaceError) as error:
                return unavailable(request, error)
        return response


class ErrorFormatMiddleware:
    """Convert problem details where a view's clients expect another format.

    Middleware and error views reject requests before the view can. Outside of the middleware that
    audits denials, which reads the code of the problem.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, with errors in the view's format."""
        response = self.get_response(request)
        if response.get("Content-Type") == CONTENT_TYPE and (match := request.resolver_match):
            error_of = policy_of(match.func, request.method).error_format
            if error_of is not None:
                return _converted(request, cast("HttpResponse", response), error_of)
        return response


def _converted(request: HttpRequest, problem: HttpResponse, error_of: ErrorFormat) -> HttpResponse:
    """Return a problem in another format, with its other headers."""
    error = error_of(request, problem.status_code, json.loads(problem.content)["detail"])
    for name, value in problem.items():
        error.headers.setdefault(name, value)
    # Middleware has set the length of the problem before.
    error["Content-Length"] = str(len(error.content))
    return error


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Set Content-Security-Policy on HTML responses; browsers render nothing else as a page."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Set the header, except on JSON."""
        if response.get("Content-Type", "").startswith(("application/json", "application/problem")):
            return response
        return super().process_response(request, response)


class CacheControlMiddleware:
    """Keep responses out of caches, except for files that say otherwise.

    Their content depends on the principal; error pages do, too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Set Cache-Control, and Vary on API responses."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        if is_api_path(request.path):
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ("Authorization", "X-API-Key", "Cookie"))
        return response
