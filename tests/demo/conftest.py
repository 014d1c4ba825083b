"""Fixtures: a fake platform for the robot client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class FakePlatform:
    """A server with prepared responses, `(status, headers, body)`, then 200.

    Attributes:
        answers: Responses to the next requests.
        commands: Responses to the next polls for commands.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    commands: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    def points(self) -> list[dict[str, Any]]:
        return [p for path, body in self.requests if "telemetry" in path for p in body["points"]]


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    state = FakePlatform()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
            state.connections.add(self.client_address)
            if state.answers:
                status, headers, answer = state.answers.pop(0)
            elif "/commands/next" in self.path and state.commands:
                status, headers, answer = state.commands.pop(0)
            elif "/commands/next" in self.path:
                status, headers, answer = 204, {}, None
                time.sleep(0.02)
            else:
                status, headers = 200, {}
                answer = {"status": body.get("status")}
                if "points" in body:
                    answer = {"accepted": len(body["points"]), "duplicate": 0, "rejected": []}
            if status == 200:
                state.requests.append((self.path, body))
            content = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
