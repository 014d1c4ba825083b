"""A load generator that is not the bottleneck.

It uses one thread, prepared bytes and plain sockets. Each connection sends its next request after
the response to the last one. Several groups of connections run at once, each with its own requests
and figures.
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
class ClientGroup:
    """Connections that send the same kind of requests, and their results.

    Attributes:
        requests: Complete requests as bytes, sent by the next idle connection. The group is done
            when the iterator is exhausted.
        connections: Number of concurrent connections.
        pause_seconds: Pause of a connection after each response.
        retries_rejected: Whether a rejected request (429, 503) is sent again.
        backoff_seconds: Additional pause of a connection after a rejection.
        statuses: Number of responses by status; 0 counts broken connections.
        seconds: Duration of each answered request.
        answered: Requests that were answered with 2xx.
        missing_retry_after: Number of rejections without Retry-After.
    """

    requests: Iterator[bytes]
    connections: int
    pause_seconds: float = 0.0
    retries_rejected: bool = False
    backoff_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    missing_retry_after: int = 0


def request_bytes(path: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    """Return an HTTP request: POST with a body, GET without one."""
    method = "GET" if body is None else "POST"
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class _Connection:
    def __init__(self, group: ClientGroup, address: tuple[str, int]) -> None:
        self.group = group
        self.address = address
        self.socket: socket.socket | None = None
        self.request = b""
        self.unsent = memoryview(b"")
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
        self.unsent = memoryview(request)
        self.received.clear()
        self.began = time.perf_counter()

    def send(self) -> bool:
        """Send as much as the socket accepts; return whether all is sent."""
        if self.socket is not None:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        return not self.unsent

    def receive(self) -> bool:
        """Receive data; return whether the response is complete.

        Raises:
            ConnectionError: The server closed the connection too early.
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

    def record_response(self) -> int:
        """Count the response; return its status."""
        group = self.group
        group.seconds.append(time.perf_counter() - self.began)
        status = int(self.received[9:12])
        group.statuses[status] += 1
        head = self.received.partition(b"\r\n\r\n")[0].lower()
        if 200 <= status < 300:
            group.answered.append(self.request)
        elif status in {429, 503} and b"\r\nretry-after:" not in head:
            group.missing_retry_after += 1
        if b"\r\nconnection: close" in head:
            self.close()
        return status


def run(address: tuple[str, int], *groups: ClientGroup, seconds: float | None = None) -> float:
    """Run the groups until all are done or the time is over.

    Requests in progress at the end are completed and counted.

    Returns:
        The seconds from the first request to the last response.
    """
    loop = _EventLoop(address, groups)
    return loop.run(seconds)


class _EventLoop:
    def __init__(self, address: tuple[str, int], groups: tuple[ClientGroup, ...]) -> None:
        self.selector = selectors.DefaultSelector()
        self.idle = [
            _Connection(group, address) for group in groups for _ in range(group.connections)
        ]
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
        request = connection.request or next(connection.group.requests, None)
        if request is None:
            connection.close()
            return
        connection.begin(request)
        try:
            self.selector.register(connection.open(), selectors.EVENT_WRITE, connection)
        except OSError:
            self._fail(connection)
            return
        self.busy += 1

    def _advance(self, connection: _Connection) -> None:
        sock = connection.open()
        try:
            if connection.unsent:
                if connection.send():
                    self.selector.modify(sock, selectors.EVENT_READ, connection)
                return
            if not connection.receive():
                return
        except BlockingIOError:
            return
        except OSError:
            self._finish(sock)
            self._fail(connection)
            return
        self._finish(sock)
        rejected = connection.record_response() in {429, 503}
        if not (rejected and connection.group.retries_rejected):
            connection.request = b""
        pause = connection.group.pause_seconds + (
            connection.group.backoff_seconds if rejected else 0.0
        )
        connection.resume_at = time.perf_counter() + pause
        if pause or time.perf_counter() >= self.deadline:
            self.idle.append(connection)
        else:
            self._start(connection)

    def _finish(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        self.busy -= 1

    def _fail(self, connection: _Connection) -> None:
        connection.group.statuses[0] += 1
        connection.close()
        connection.request = b""
        connection.resume_at = time.perf_counter() + 0.05
        self.idle.append(connection)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile of the values, 0 for no values.

    Args:
        values: Values in any order.
        share: Share of values below the result, from 0 to 1.
    """
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
