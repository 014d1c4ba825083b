"""Headers, methods and paths of the live process, apart from the content of streams."""

from __future__ import annotations

import pytest
from django.conf import settings
from starlette.requests import Request

from urfmp.live.http.requests import client_ip

PATHS = ("/healthz", "/api/v1/events")


def request_with(*headers: tuple[str, str]) -> Request:
    scope = {
        "type": "http",
        "client": ("192.0.2.1", 1234),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    return Request(scope)


def test_client_ip_without_proxy_ignores_forwarded_header(settings):
    settings.TRUST_PROXY = False
    assert client_ip(request_with(("X-Forwarded-For", "198.51.100.7"))) == "192.0.2.1"


@pytest.mark.parametrize(
    "lines",
    [["198.51.100.7"], ["203.0.113.5, 198.51.100.7"], ["203.0.113.5", "198.51.100.7"]],
)
def test_client_ip_behind_proxy_is_last_forwarded_entry(settings, lines):
    settings.TRUST_PROXY = True
    headers = [("X-Forwarded-For", line) for line in lines]
    assert client_ip(request_with(*headers)) == "198.51.100.7"
    assert client_ip(request_with()) == "192.0.2.1"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [settings.WEB_ORIGIN, "http://evil.example"])
def test_options_returns_methods_and_grants_no_origin(shared_live, path, origin):
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    status, received, _ = shared_live.get(path, headers, "OPTIONS")
    assert status == 204
    assert received["allow"] == "GET, HEAD, OPTIONS"
    assert not [name for name in received if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/", "/healthz/", "/api/v1/events/", "/api/v1/elsewhere"])
def test_unknown_path_returns_404(shared_live, path, method):
    headers = {"Origin": settings.WEB_ORIGIN, "Access-Control-Request-Method": "GET"}
    status, received, _ = shared_live.get(path, headers, method)
    assert (status, received["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", PATHS)
def test_other_method_returns_405_with_allowed_methods(shared_live, path):
    status, received, problem = shared_live.get(path, method="POST")
    assert (status, problem["code"]) == (405, "method_not_allowed")
    assert received["allow"] == "GET, HEAD, OPTIONS"


def test_response_has_common_headers(shared_live):
    _, received, _ = shared_live.get("/healthz", {"X-Request-ID": "the-request"})
    assert received["x-request-id"] == "the-request"
    assert received["cache-control"] == "no-store"
    assert received["x-content-type-options"] == "nosniff"


def test_head_returns_headers_of_stream_without_content(live, make_key, organization_a):
    key = make_key(organization_a, ["robots:read", "telemetry:read"])
    status, received, content = live.get("/api/v1/events", {"X-API-Key": key}, "HEAD")
    assert (status, content) == (200, None)
    assert received["content-type"] == "text/event-stream; charset=utf-8"
    assert received["x-accel-buffering"] == "no"
    assert received["ratelimit-remaining"]
