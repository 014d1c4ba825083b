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
        (b"GET / HTTP/1.1\n" + HOST + b"\n", 400, "malformed"),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c: folded\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2, 2\r\n\r\nab", 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
         400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"
         b"\r\n0\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 1_000 + b"\r\n", 431, "headers_too_large"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "address_too_long"),
        (b"GET /" + LONG, 414, "address_too_long"),
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


SECOND = [
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2, 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\n" + HOST + b" folded\r\n\r\n",
    b"GET / HTTP/1.1\n\n",
]


@pytest.mark.parametrize("second", SECOND)
def test_pipelined_request_is_parsed_as_strictly(second, shared_live):
    with connect(shared_live) as link:
        link.sendall(b"GET /elsewhere HTTP/1.1\r\n" + HOST + b"\r\n" + second)
        first, rejected = responses(link)
    assert first[0] == 404
    check(rejected, 400, "malformed")


@pytest.mark.parametrize("framing", [b"Content-Length: 4", b"Transfer-Encoding: chunked"])
def test_request_with_body_is_the_last(framing, shared_live):
    body = b"abcd" if framing.startswith(b"C") else b"4\r\nabcd\r\n0\r\n\r\n"
    with connect(shared_live) as link:
        link.sendall(
            b"POST /elsewhere HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n" + body
            + b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n"
        )  # fmt: skip
        (response,) = responses(link)
    assert response[0] == 404


def test_pipelined_requests_are_answered_in_order(shared_live):
    with connect(shared_live) as link:
        link.sendall(
            (b"GET /elsewhere HTTP/1.1\r\n" + HOST + b"\r\n") * 3
            + b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        )  # fmt: skip
        assert [response[0] for response in responses(link)] == [404, 404, 404, 200]


def test_open_stream_does_not_collect_what_the_client_sends(live, make_key, organization_a):
    key = make_key(organization_a, ["robots:read", "telemetry:read"]).encode()
    request = b"GET /api/v1/events HTTP/1.1\r\n" + HOST + b"X-API-Key: " + key + b"\r\n\r\n"
    with connect(live) as link:
        link.sendall(request)
        assert b" 200 " in link.recv(65_536)
        with pytest.raises(OSError):  # noqa: PT011, PT012 - reset, or a broken pipe
            for _ in range(1_000):
                link.sendall(b"GET / HTTP/1.1\r\n" * 100)
                time.sleep(0.001)


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
