"""A load generator that is not the bottleneck: one thread, prepared bytes, plain sockets.

Each connection sends its next request when the last one has been answered. Several crews of
connections run at once, each with its own requests and its own figures.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_READ_BYTES = 65536


@dataclass
class Crew:
    """Connections that send alike, and what they saw.

    Attributes:
        requests: Whole requests as bytes, taken by whichever connection is free; the crew is
            done when there are no more.
        connections: How many send at the same time.
        pause: Seconds that a connection rests after each answer.
        is_repeated: Whether a refused request (429, 503) is sent again.
        rest: Seconds that a connection rests after a refusal, besides.
        statuses: How often each status came; 0 stands for a connection that broke.
        seconds: How long each answered request took.
        answered: The requests that were answered with 2xx.
        missing_retry_after: How many refusals did not say when to come back.
    """

    requests: Iterator[bytes]
    connections: int
    pause: float = 0.0
    is_repeated: bool = False
    rest: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    missing_retry_after: int = 0


def request_bytes(path: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    """Return a request as it goes over the wire: POST with a body, GET without one."""
    method = "GET" if body is None else "POST"
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class _Connection:
    def __init__(self, crew: Crew, address: tuple[str, int]) -> None:
        self.crew = crew
        self.address = address
        self.socket: socket.socket | None = None
        self.request = b""
        self.rest = memoryview(b"")
        self.received = bytearray()
        self.began = 0.0
        self.resume_at = 0.0

    def open(self) -> socket.socket:
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=10)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setblocking(False)
        return self.socket

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def begin(self, request: bytes) -> None:
        self.request = request
        self.rest = memoryview(request)
        self.received.clear()
        self.began = time.perf_counter()

    def send(self) -> bool:
        """Send what fits; return whether all of the request is out."""
        if self.socket is not None:
            self.rest = self.rest[self.socket.send(self.rest) :]
        return not self.rest

    def receive(self) -> bool:
        """Take what has come; return whether the answer is complete.

        Raises:
            ConnectionError: The server closed before it was.
        """
        data = self.socket.recv(_READ_BYTES) if self.socket is not None else b""
        if not data:
            raise ConnectionResetError
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.received[:end].lower()
        length = 0
        at = head.find(b"content-length:")
        if at >= 0:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return len(self.received) >= end + 4 + length

    def note(self) -> int:
        """Count the answer; return its status."""
        crew = self.crew
        crew.seconds.append(time.perf_counter() - self.began)
        status = int(self.received[9:12])
        crew.statuses[status] += 1
        head = self.received.partition(b"\r\n\r\n")[0].lower()
        if 200 <= status < 300:
            crew.answered.append(self.request)
        elif status in {429, 503} and b"\r\nretry-after:" not in head:
            crew.missing_retry_after += 1
        if b"\r\nconnection: close" in head:
            self.close()
        return status


def run(address: tuple[str, int], *crews: Crew, seconds: float | None = None) -> float:
    """Let the crews send until every one is done, or for so many seconds.

    What is under way then is waited for and counts.

    Returns:
        The seconds from the first request to the last answer.
    """
    loop = _Loop(address, crews)
    return loop.run(seconds)


class _Loop:
    def __init__(self, address: tuple[str, int], crews: tuple[Crew, ...]) -> None:
        self.selector = selectors.DefaultSelector()
        self.idle = [_Connection(crew, address) for crew in crews for _ in range(crew.connections)]
        self.busy = 0
        self.deadline = float("inf")

    def run(self, seconds: float | None) -> float:
        for connection in self.idle:
            connection.open()
        began = last = time.perf_counter()
        self.deadline = began + seconds if seconds is not None else float("inf")
        while self.busy or self.idle:
            self._start_idle()
            wait = 0.005 if self.idle else 1.0
            for key, _ in self.selector.select(wait):
                self._advance(key.data)
                last = time.perf_counter()
        self.selector.close()
        return last - began

    def _start_idle(self) -> None:
        now = time.perf_counter()
        waiting, self.idle = self.idle, []
        for connection in waiting:
            if now >= self.deadline:
                connection.close()
            elif now < connection.resume_at:
                self.idle.append(connection)
            else:
                self._start(connection)

    def _start(self, connection: _Connection) -> None:
        request = connection.request or next(connection.crew.requests, None)
        if request is None:
            connection.close()
            return
        connection.begin(request)
        try:
            self.selector.register(connection.open(), selectors.EVENT_WRITE, connection)
        except OSError:
            self._failed(connection)
            return
        self.busy += 1

    def _advance(self, connection: _Connection) -> None:
        sock = connection.open()
        try:
            if connection.rest:
                if connection.send():
                    self.selector.modify(sock, selectors.EVENT_READ, connection)
                return
            if not connection.receive():
                return
        except BlockingIOError:
            return
        except OSError:
            self._done(sock)
            self._failed(connection)
            return
        self._done(sock)
        refused = connection.note() in {429, 503}
        if not (refused and connection.crew.is_repeated):
            connection.request = b""
        pause = connection.crew.pause + (connection.crew.rest if refused else 0.0)
        connection.resume_at = time.perf_counter() + pause
        if pause or time.perf_counter() >= self.deadline:
            self.idle.append(connection)
        else:
            self._start(connection)

    def _done(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        self.busy -= 1

    def _failed(self, connection: _Connection) -> None:
        connection.crew.statuses[0] += 1
        connection.close()
        connection.request = b""
        connection.resume_at = time.perf_counter() + 0.05
        self.idle.append(connection)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of all lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
