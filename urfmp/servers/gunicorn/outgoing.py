"""Responses on their way to a client that reads slowly."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from urfmp.servers.gunicorn.limits import Limits


class ResponseBuffer:
    """The client's socket for the code that writes a response.

    The event loop sends what the client does not accept at once. A thread waits only while more
    than `max_buffered_bytes` are left.

    Attributes:
        size: Bytes that wait for the client.
        is_closed: Whether the client is gone or was dropped; writing fails from then on.
        advanced_at: When the client last accepted bytes, or should have begun to.
    """

    def __init__(
        self,
        client: socket.socket,
        limits: Limits,
        writers: WaitingWriters,
        on_waiting: Callable[[], None],
    ) -> None:
        """Initialize an empty buffer.

        Args:
            client: Non-blocking socket.
            limits: Limits of size and time.
            writers: Threads that wait for any client.
            on_waiting: Called, in any thread, when bytes begin to wait.
        """
        self.size = 0
        self.is_closed = False
        self.advanced_at = 0.0
        self._began_at = 0.0
        self._sent = 0  # since the buffer was last empty
        self._client = client
        self._limits = limits
        self._writers = writers
        self._on_waiting = on_waiting
        self._pieces: deque[memoryview] = deque()
        self._changed = threading.Condition()

    def sendall(self, data: bytes) -> None:
        """Send bytes, or keep them until the client accepts them.

        Raises:
            BrokenPipeError: The client is gone, or reads too slowly.
        """
        with self._changed:
            began_to_wait = self._add(memoryview(data))
            must_wait = self.size > self._limits.max_buffered_bytes
        if began_to_wait:
            self._on_waiting()
        if must_wait:
            self._writers.enter(self)
            try:
                with self._changed:
                    self._changed.wait_for(self._has_room)
                    self._check_open()
            finally:
                self._writers.leave(self)

    def flush(self) -> None:
        """Send as many waiting bytes as the client accepts now."""
        with self._changed:
            try:
                while self._pieces and not self.is_closed:
                    sent = self._send(self._pieces[0])
                    if not sent:
                        break
                    self.size -= sent
                    self._sent += sent
                    self.advanced_at = time.monotonic()
                    if sent == len(self._pieces[0]):
                        self._pieces.popleft()
                    else:
                        self._pieces[0] = self._pieces[0][sent:]
            except OSError:
                self._drop()
            self._changed.notify_all()

    def abort(self) -> None:
        """Drop the client; a waiting thread goes on with an error."""
        with self._changed:
            self._drop()
            self._changed.notify_all()

    def is_late(self, now: float) -> bool:
        """Return whether the client reads too slowly."""
        if not self.size:
            return False
        is_stalled = now > self.advanced_at + self._limits.max_stall_seconds
        return is_stalled or now > self._began_at + self._limits.sending_seconds(self._sent)

    def gettimeout(self) -> float:
        """Report a non-blocking socket, so that gunicorn does not change its mode."""
        return 0.0

    def _add(self, data: memoryview) -> bool:
        """Send or keep bytes; return whether they are the first that wait."""
        self._check_open()
        if self._pieces:
            self._pieces.append(data)
            self.size += len(data)
            return False
        try:
            data = data[self._send(data) :]
        except OSError:
            self._drop()
            raise
        if not data:
            return False
        self._pieces.append(data)
        self.size = len(data)
        self._sent = 0
        self._began_at = self.advanced_at = time.monotonic()
        return True

    def _send(self, data: memoryview) -> int:
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0

    def _has_room(self) -> bool:
        return self.is_closed or self.size <= self._limits.max_buffered_bytes // 2

    def _check_open(self) -> None:
        if self.is_closed:
            raise BrokenPipeError(errno.EPIPE, "The client is gone or reads too slowly.")

    def _drop(self) -> None:
        self.is_closed = True
        self._pieces.clear()
        self.size = 0


class WaitingWriters:
    """The threads that wait for clients to read.

    They are at most half of all threads: one more makes the client that has accepted nothing for
    the longest time lose its connection.
    """

    def __init__(self, max_waiting: int) -> None:
        """Start without waiting threads."""
        self._max_waiting = max_waiting
        self._waiting: set[ResponseBuffer] = set()
        self._lock = threading.Lock()

    def enter(self, buffer: ResponseBuffer) -> None:
        """Count a waiting thread; too many abort the slowest client."""
        slowest = None
        with self._lock:
            self._waiting.add(buffer)
            if len(self._waiting) > self._max_waiting:
                slowest = min(self._waiting, key=lambda waiting: waiting.advanced_at)
                self._waiting.discard(slowest)
        if slowest is not None:
            slowest.abort()

    def leave(self, buffer: ResponseBuffer) -> None:
        """Count a thread that no longer waits."""
        with self._lock:
            self._waiting.discard(buffer)
