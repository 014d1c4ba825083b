"""A receiver of webhooks on loopback, which records requests and answers as configured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers, body, and a wait before it."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_seconds: float = 0.0


class WebhookReceiver(ThreadingHTTPServer):
    """A server whose `reply` decides each answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, reply: Callable[[Received], Reply] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply or (lambda _request: Reply())
        self.requests: list[Received] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def verify_request(self, request, client_address) -> bool:
        self.connections += 1
        return True

    def handle_error(self, request, client_address) -> None:
        """Stay silent: clients of these tests hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        values = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.path, values, body)
        self.server.requests.append(received)
        reply = self.server.reply(received)
        time.sleep(reply.wait_seconds)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def webhook_receiver(
    reply: Callable[[Received], Reply] | None = None,
) -> Iterator[WebhookReceiver]:
    server = WebhookReceiver(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
