"""The product's Caddyfile, run by Caddy in front of two servers that show what they receive."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.accounts.selectors.key_format import generate_key
from tests.support.proxy import proxy

LONG = {"text": "word " * 1000}


class Backend(BaseHTTPRequestHandler):
    """Responds with its name and the request's headers, in the format that the path asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path in {"/api/v1/events", "/stream"}:
            self._stream()
            return
        if "wait" in self.headers:
            self._wait_for_disconnect()
            return
        format_name = self.path.rpartition(".")[2]
        content_type = {
            "html": "text/html; charset=utf-8",
            "problem": "application/problem+json",
            "csv": "text/csv",
        }.get(format_name, "application/json")
        self._send(
            {"server": self.server.name, "headers": list(self.headers.items()), **LONG},
            content_type,
        )

    def _send(self, content: dict, content_type: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"7"')
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"data: %d%s\n\n" % (number, b" " * 2000))
            time.sleep(0.5)

    def _wait_for_disconnect(self) -> None:
        """Send nothing, as a long poll, until the client disconnects."""
        self.connection.settimeout(10)
        with suppress(TimeoutError, ConnectionError):
            self.server.is_disconnected = self.connection.recv(1) == b""

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """Return the proxy's port and log, and the servers behind it."""
    servers: dict[str, ThreadingHTTPServer] = {}
    with ExitStack() as stack:
        ports = []
        for name in ("web", "live"):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Backend))
            server.name = name
            server.is_disconnected = False
            servers[name] = server
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            ports.append(server.server_port)
        port, _, log = stack.enter_context(proxy(*ports, tmp_path_factory.mktemp("proxy")))
        yield port, log, servers


def get(port: int, path: str, **headers: str):
    """Return a response whose body is decoded if it was compressed, and its length as sent."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as link:
        link.request("GET", path, headers={"Accept-Encoding": "gzip", **names})
        response = link.getresponse()
        sent = response.read()
    is_compressed = response.headers["Content-Encoding"] == "gzip"
    body = gzip.decompress(sent) if is_compressed else sent
    return response, json.loads(body), len(sent)


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/api/v1/robots", "web"),
        ("/api/v1/eventsx", "web"),
        ("/api/v1/device/commands/next", "live"),
        ("/api/v1/device/commands/events", "live"),
    ],
)
def test_proxy_routes_by_path(path, server, proxied):
    assert get(proxied[0], path)[1]["server"] == server


@pytest.mark.parametrize("path", ["/a.html", "/a.json", "/a.problem"])
def test_proxy_compresses_html_and_json(path, proxied):
    response, content, length = get(proxied[0], path)
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["Vary"]
    assert content["text"] == LONG["text"]
    assert length < 1000
    plain = get(proxied[0], path, Accept_Encoding="identity")[0]
    assert plain.headers["Content-Encoding"] is None


def test_proxy_does_not_compress_other_formats(proxied):
    assert get(proxied[0], "/a.csv")[0].headers["Content-Encoding"] is None


def test_proxy_tells_live_that_a_client_disconnected(proxied):
    """Otherwise a command would be handed to a robot that has hung up."""
    port, _, servers = proxied
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("GET", "/api/v1/device/commands/next", headers={"Wait": "1"})
    time.sleep(0.3)
    assert not servers["live"].is_disconnected
    link.close()
    end = time.monotonic() + 5
    while not servers["live"].is_disconnected and time.monotonic() < end:
        time.sleep(0.05)
    assert servers["live"].is_disconnected


@pytest.mark.parametrize("path", ["/api/v1/events", "/stream"])
def test_proxy_passes_events_on_at_once_and_uncompressed(path, proxied):
    with closing(http.client.HTTPConnection("127.0.0.1", proxied[0], timeout=20)) as link:
        began = time.monotonic()
        link.request("GET", path, headers={"Accept-Encoding": "gzip, zstd"})
        response = link.getresponse()
        assert response.headers["Content-Encoding"] is None
        assert response.readline().startswith(b"data: 0")
        assert time.monotonic() - began < 0.4
        assert response.read().count(b"data: ") == 2


def test_proxy_replaces_forwarded_headers_of_clients(proxied):
    forged = {
        "X_Forwarded_For": "203.0.113.7",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Host": "evil.example",
        "X_Real_Ip": "203.0.113.7",
        "Forwarded": "for=203.0.113.7",
        "X_Forwarded_Ssl": "on",
    }
    received = dict(get(proxied[0], "/a.json", **forged)[1]["headers"])
    assert received["X-Forwarded-For"] == "127.0.0.1"
    assert received["X-Forwarded-Proto"] == "http"
    assert received["X-Forwarded-Host"] == received["Host"] == f"127.0.0.1:{proxied[0]}"
    assert not {"X-Real-Ip", "Forwarded", "X-Forwarded-Ssl"} & set(received)


def test_proxy_passes_credentials_on_and_does_not_log_them(proxied):
    port, log, _ = proxied
    key = generate_key()
    path = f"/write?db=d&u=x&p={key}"
    received = dict(get(port, path, Authorization=f"Bearer {key}", X_API_Key=key)[1]["headers"])
    assert received["Authorization"] == f"Bearer {key}"
    assert received["X-Api-Key"] == key
    deadline = time.monotonic() + 10
    while "/write?db=d" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert key not in log.read_text()
