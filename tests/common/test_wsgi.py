"""Ingest has a shorter middleware chain with the same results."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO

import pytest
from django.test import RequestFactory
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call():
    """Return a function that calls the web process's WSGI application."""
    from urfmp.wsgi import application

    def ask(path, body=b"", method="POST", **extra):
        environ = RequestFactory().generic(
            method, path, body, content_type="application/json", **extra
        )
        told = []
        answer = application(
            {**environ.environ, "wsgi.input": BytesIO(body)},
            lambda status, headers: told.append((int(status[:3]), dict(headers))),
        )
        content = b"".join(answer)
        answer.close()
        return (*told[0], content)

    return ask


PATHS = ("/api/v1/telemetry", "/api/v2/write", "/write")


@pytest.mark.parametrize("path", PATHS)
def test_ingest_with_session_gets_401(call, path, client_for, alice):
    client = client_for(alice)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    status, headers, _ = call(path, b"{}", HTTP_COOKIE=cookie)
    assert status == 401
    assert headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", PATHS)
def test_ingest_response_has_common_headers(call, path):
    status, headers, _ = call(path, b"", method="GET", HTTP_X_REQUEST_ID="some-request-id")
    _, usual, _ = call("/api/v1/robots", b"", method="GET")
    assert status in {401, 405}
    assert headers["X-Request-ID"] == "some-request-id"
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert headers[name] == usual[name]
    if path.startswith("/api/"):
        assert headers["Cache-Control"] == usual["Cache-Control"] == "no-store"


def test_ingest_stores_points(call, organization_a, make_robot, make_key):
    robot, key = make_robot(organization_a), make_key(organization_a)
    when = (timezone.now() - timedelta(minutes=1)).isoformat()
    point = {"robot_id": str(robot.pk), "metric_name": "a", "time": when, "value": 1.5}
    body = json.dumps({"points": [point]}).encode()
    for accepted in (1, 0):
        status, headers, content = call(PATHS[0], body, HTTP_AUTHORIZATION=f"Bearer {key}")
        assert (status, json.loads(content)["accepted"]) == (200, accepted)
        assert int(headers["Content-Length"]) == len(content)
