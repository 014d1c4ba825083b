"""The web process responds to malformed requests and foreign hosts like to any other."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.support.server import installation

LONG = b"a" * 9_000
HOST = b"Host: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server():
    with installation() as running:
        yield running


def send_raw(server, sent):
    """Send raw bytes; return status, headers and body of the response."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as link:
        link.sendall(sent)
        received = b""
        while part := link.recv(65_536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    return int(line.split()[1]), {k.lower(): v for k, v in (h.split(": ", 1) for h in rest)}, body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"<script>alert(1)</script>\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/9.1\r\nHost: localhost\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHo st: <b>\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nA: b\r\n c: folded\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nab", 400, "malformed"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "malformed"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000000\r\n\r\n", 413, "too_large"),
        (CHUNKED + b"5\r\nabcdeX\r\n0\r\n\r\n", 400, "malformed"),
        (CHUNKED + b"g\r\n", 400, "malformed"),
        (CHUNKED + b"-1\r\n", 400, "malformed"),
        (CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n", 400, "malformed"),
        (CHUNKED + b"5;\x00\r\nabcde\r\n0\r\n\r\n", 400, "malformed"),
        (CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n", 400, "malformed"),
        (CHUNKED + b"900000\r\n" + b"x" * 9_000_000, 413, "too_large"),
        (CHUNKED + b"1\r\nx\r\n" * 3_000, 400, "malformed"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
         "unsupported_transfer_coding"),
        (b"GET /" + LONG + b" HTTP/1.1\r\n\r\n", 414, "address_too_long"),
        (b"GET /" + LONG * 10, 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8_000 + b"\r\n") * 9, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nA: " + LONG + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: br, chunked\r\n\r\n", 501,
         "unsupported_transfer_coding"),
    ],
)  # fmt: skip
def test_malformed_request_gets_problem_document(sent, status, code, server):
    found, headers, body = send_raw(server, sent)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert int(headers["content-length"]) == len(body)
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code)
    assert b"script" not in body


@pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/robots"])
def test_foreign_host_logs_one_line(path, server):
    before = server.log.stat().st_size
    host = b"evil.example" + b"x" * 5_000
    request = b"GET " + path.encode() + b" HTTP/1.1\r\nConnection: close\r\nHost: "
    status, headers, body = send_raw(server, request + host + b"\r\n\r\n")
    assert status == 400
    if path.startswith("/api/"):
        assert headers["content-type"] == "application/problem+json"
    else:
        assert headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in headers["content-security-policy"]
    assert b"evil" not in body
    (line,) = server.log.read_bytes()[before:].splitlines()
    assert b"Invalid HTTP_HOST header: 'evil.example" in line
    assert len(line) < 300


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/robots", 401),
        ("/api/v1/telemetry", 401),
        ("/api/v1/nothing", 404),
        ("/admin/login/", 403),
    ],
)
def test_unread_body_keeps_connection_open(path, size, status, server):
    address = urlsplit(server.url)
    headers = {"Content-Type": "application/json"}
    with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as link:
        for _ in range(2):
            link.request("POST", path, body=b"x" * size, headers=headers)
            with link.getresponse() as answer:
                assert answer.status == status
                assert answer.headers["Connection"] == "keep-alive"
                assert answer.read()


def test_read_body_keeps_connection_open(server):
    address = urlsplit(server.url)
    headers = {"Content-Type": "application/json", "X-API-Key": server.key}
    with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as link:
        link.request("POST", "/api/v1/telemetry", body=b" " * 100_000, headers=headers)
        with link.getresponse() as answer:
            assert (answer.status, answer.headers["Connection"]) == (400, "keep-alive")


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        # Without its last digits the value would be a different one.
        ("/api/v2/write", b"text/plain", b"broken value=123"),
        ("/api/v1/telemetry", b"application/x-ndjson", b""),
        ("/api/v1/auth/login", b"application/json", b'{"email": "a@b.example", "password": "x"}'),
    ],
)
def test_incomplete_body_has_no_effect(path, kind, body, server):
    head = (
        b"POST " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind
        + b"\r\nAuthorization: Bearer " + server.key.encode() + b"\r\nContent-Length: 500\r\n\r\n"
    )  # fmt: skip
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as link:
        link.sendall(head + body)
        link.shutdown(socket.SHUT_WR)
        received = b""
        while part := link.recv(65_536):
            received += part
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in received
    assert b"is incomplete" in received
