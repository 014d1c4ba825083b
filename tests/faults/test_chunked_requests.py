"""Chunked requests to the running product: through its proxy, and to the web process directly."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.support.server import installation

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server():
    with installation(live=True) as running:
        yield running


@pytest.fixture(params=["direct", "proxy"])
def post(request, server):
    """Return a function that posts in chunks, as Telegraf does."""
    address = urlsplit(server.web_url if request.param == "direct" else server.url)

    def send(path: str, *pieces: bytes, **headers: str):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as link:
            given = {"Authorization": f"Token {server.key}", **names}
            link.request("POST", path, iter(pieces), given, encode_chunked=True)
            response = link.getresponse()
            return response.status, response.read()

    return send


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_chunked_lines_are_stored(encoding, post, server, request):
    now = datetime.now(UTC)
    name = f"chunked.{encoding}.{request.node.callspec.params['post']}"
    line = f"{name} a=1 {int(now.timestamp())}\n".encode()
    body = gzip.compress(line) if encoding == "gzip" else line
    path = "/api/v2/write?bucket=b&org=o&precision=s"
    headers = {"Content_Encoding": encoding, "Content_Type": "text/plain; charset=utf-8"}
    assert post(path, body[:7], body[7:], **headers) == (204, b"")
    point = {
        "metric_name": f"{name}.a",
        "time": now.replace(microsecond=0).isoformat(),
        "value": 1.0,
    }
    status, answer = post(
        "/api/v1/telemetry",
        json.dumps({"points": [point]}).encode(),
        Content_Type="application/json",
        Authorization=f"Bearer {server.key}",
    )
    assert (status, json.loads(answer)["duplicate"]) == (200, 1)


def test_chunked_login_is_read(post):
    credentials = {"email": "a@acme.example", "password": "wrong horse battery staple"}
    headers = {"Content_Type": "application/json", "Authorization": ""}
    status, answer = post("/api/v1/auth/login", json.dumps(credentials).encode(), **headers)
    assert (status, json.loads(answer)["code"]) == (401, "sign_in_refused")


@pytest.mark.parametrize("path", ["/api/v1/telemetry", "/api/v2/write", "/api/v1/auth/login"])
def test_chunked_body_above_the_limit_gets_413(path, post):
    status, answer = post(path, *[b" " * 500_000] * 20, Content_Type="application/json")
    assert (status, json.loads(answer)["code"]) == (413, "too_large")


def test_chunked_bomb_gets_413(post):
    bomb = gzip.compress(b"\n" * (9 * MEGABYTE))
    status, _ = post("/write", bomb[:100], bomb[100:], Content_Encoding="gzip")
    assert status == 413
