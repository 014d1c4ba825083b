"""Input that is not valid HTTP, or arrives too slowly, gets problem details."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import pytest

LONG = b"a" * 70_000
HOST = b"Host: localhost\r\n"
pytestmark = pytest.mark.django_db(transaction=True)


def connect(live):
    return socket.create_connection(("127.0.0.1", live.port), timeout=25)


def responses(link):
    """Return status, headers and body of each response until the connection closes."""
    received = b""
    while part := link.recv(65_536):
        received += part
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (field.split(": ", 1) for field in fields)}
        length = int(headers["content-length"])
        found.append((int(line.split()[1]), headers, rest[:length]))
        received = rest[length:]
    return found


def check(response, status, code):
    received, headers, body = response
    assert received == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert "default-src 'none'" in headers["content-security-policy"]
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert b"script" not in body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"<script>alert(1)</script>\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Ho st: <b>\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
         400, "malformed"),
        (b"GET /" + LONG, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + LONG, 431, "headers_too_large"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: br\r\n\r\n", 501,
         "unsupported_transfer_coding"),
    ],
)  # fmt: skip
def test_malformed_request_returns_problem_details(sent, status, code, shared_live):
    with connect(shared_live) as link:
        link.sendall(sent)
        (response,) = responses(link)
    check(response, status, code)


def test_malformed_request_after_valid_one_returns_400(shared_live):
    with connect(shared_live) as link:
        link.sendall(b"GET /elsewhere HTTP/1.1\r\n" + HOST + b"\r\n<script>\r\n\r\n")
        first, second = responses(link)
    assert first[0] == 404
    check(second, 400, "malformed")


def test_malformed_chunk_closes_open_stream(live, make_key, organization_a):
    key = make_key(organization_a, ["robots:read", "telemetry:read"])
    with connect(live) as link:
        link.sendall(
            b"GET /api/v1/events HTTP/1.1\r\n" + HOST + b"X-API-Key: " + key.encode() + b"\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        received = b""
        while b"welcome" not in received:
            received += link.recv(65_536)
        link.sendall(b"no chunk at all\r\n")
        while part := link.recv(65_536):
            received += part
    assert received.count(b"HTTP/1.1") == 1
    assert b"malformed" not in received


def test_incomplete_request_times_out(shared_live):
    with ExitStack() as links:
        idle, first, second = (links.enter_context(connect(shared_live)) for _ in range(3))
        second.sendall(b"GET /elsewhere HTTP/1.1\r\n" + HOST + b"\r\n")
        began = time.monotonic()
        for link in (first, second):
            link.sendall(b"GET / HTTP/1.1\r\nA: ")
        while time.monotonic() < began + 8:  # sending a byte a second does not extend the timeout
            time.sleep(1)
            for link in (first, second):
                link.sendall(b"a")
        assert responses(idle) == []
        check(responses(first)[0], 408, "request_timeout")
        check(responses(second)[1], 408, "request_timeout")
        assert time.monotonic() - began < 20
