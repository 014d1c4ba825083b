"""The web process's worker: gunicorn's threads with time limits and problem details.

Start it with `--worker-class urfmp.servers.gunicorn.Worker`.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.gthread import ThreadWorker

from urfmp.servers.error_responses import raw_error_response

# Long enough for another worker to wake up.
_ACCEPT_PAUSE_SECONDS = 0.001
# Gunicorn closes the connection if more than this remains of an unread body.
_MAX_UNREAD_BYTES = 64 * 1024
# Limits for a client to close the connection after its last response.
_LINGER_SECONDS = 2.0
_MAX_LINGER_BYTES = 4 * 1024 * 1024
_LINGER_READ_BYTES = 64 * 1024
# How long a new client may stay silent; it occupies no thread.
_MAX_SILENCE_SECONDS = 10.0
# How long a thread waits for the next bytes of a request.
_RECEIVE_TIMEOUT_SECONDS = 30
# How long a thread waits until the client accepts bytes of a response.
_SEND_TIMEOUT_SECONDS = 300
# How long the head of a request may take. Its body may take as long, plus its length at the rate.
_MAX_ARRIVAL_SECONDS = 30.0
_MIN_BYTES_PER_SECOND = 16 * 1024


class DeadlineSocket(socket.socket):
    """A client's connection with timeouts.

    A client that is too slow counts as gone.

    Attributes:
        deadline: Time by which the current read must complete, on the monotonic clock. For a body
            it is set when reading starts.
    """

    deadline = math.inf

    @classmethod
    def of(cls, accepted: socket.socket) -> DeadlineSocket:
        """Wrap an accepted connection."""
        client = cls(fileno=accepted.detach())
        for option, seconds in (
            (socket.SO_RCVTIMEO, _RECEIVE_TIMEOUT_SECONDS),
            (socket.SO_SNDTIMEO, _SEND_TIMEOUT_SECONDS),
        ):
            client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
        return client

    def recv(self, *arguments: Any) -> bytes:
        """Return received bytes; empty at the end."""
        try:
            data = super().recv(*arguments)
        except BlockingIOError:
            raise ConnectionResetError(errno.ECONNRESET, "The client stopped sending.") from None
        if time.monotonic() > self.deadline:
            raise ConnectionResetError(errno.ECONNRESET, "The client sends too slowly.")
        return data

    def sendall(self, *arguments: Any) -> None:
        """Send all bytes."""
        try:
            super().sendall(*arguments)
        except BlockingIOError:
            raise BrokenPipeError(errno.EPIPE, "The client stopped reading.") from None


class CompleteBodyReader(LengthReader):
    """Reads a body of known length; gunicorn's reader accepts an incomplete one."""

    def read(self, size: int) -> bytes:
        """Return bytes; fewer than requested only at the end of the body."""
        client, expected = self.unreader.sock, min(self.length, size)
        if client.deadline == math.inf:
            seconds = _MAX_ARRIVAL_SECONDS + self.length / _MIN_BYTES_PER_SECOND
            client.deadline = time.monotonic() + seconds
        data: bytes = super().read(size)
        if len(data) < expected:
            raise ConnectionResetError(errno.ECONNRESET, "The body is incomplete.")
        return data


class ResponseCapture:
    """A substitute for the client that captures what gunicorn sends."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.sent = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def gettimeout(self) -> float:
        """Report a non-blocking socket, so that gunicorn does not change its mode."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Capture the data."""
        self.sent += data


class Worker(ThreadWorker):
    """Gunicorn's threaded worker, corrected in five points.

    It shares connections evenly with other workers. Its error responses are problem details,
    because gunicorn's HTML has no security policy and quotes the request. A response that ends the
    connection says so. No thread waits for a client that sends nothing or does not close. An
    incomplete body is an error.
    """

    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the worker."""
        super().__init__(*args, **kwargs)
        # `sendfile` would wait for a slow reader without a timeout.
        self.cfg.set("sendfile", False)
        self._lingering: deque[Any] = deque()

    def load_wsgi(self) -> None:
        """Load the application, wrapped to announce the end of a connection."""
        super().load_wsgi()
        self.wsgi = partial(_call_application, self.wsgi)

    def accept(self, listener: Any) -> None:
        """Accept a connection; with more connections than threads, pause afterwards.

        A worker that is awake would otherwise accept all of many simultaneous connections, and
        keep them as long as they are alive.
        """
        super().accept(listener)
        if self.nr_conns > self.cfg.threads:
            time.sleep(_ACCEPT_PAUSE_SECONDS)

    def enqueue_req(self, conn: Any) -> None:
        """Assign a thread to a connection once it has sent data.

        Gunicorn lets a thread wait five seconds for a new client's first bytes, but browsers open
        connections in advance without sending any.
        """
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock = DeadlineSocket.of(conn.sock)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _MAX_SILENCE_SECONDS
        self.pending_conns.append(conn)
        on_readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, on_readable)

    def handle(self, conn: Any) -> Any:
        """Read a request and send the response."""
        conn.sock.deadline = time.monotonic() + _MAX_ARRIVAL_SECONDS
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Handle a request whose head has been read."""
        conn.sock.deadline = math.inf
        reader = req.body.reader
        if isinstance(reader, LengthReader) and reader.length:
            req.body.reader = CompleteBodyReader(reader.unreader, reader.length)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection alive or close it.

        Gunicorn waits up to two seconds for each client to close, and blocks all others meanwhile.
        Here the connections linger side by side.
        """
        if fs.cancelled() or fs.exception() or fs.result() is not False:
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.deadline = math.inf
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.timeout, conn.left = time.monotonic() + _LINGER_SECONDS, _MAX_LINGER_BYTES
        self._lingering.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._linger, conn))

    def _linger(self, conn: Any, client: Any) -> None:
        """Discard remaining input: closing with unread input would reset the connection."""
        with suppress(OSError):
            received = len(client.recv(_LINGER_READ_BYTES))
            conn.left -= received
            if received and conn.left > 0:
                return
        self._lingering.remove(conn)
        self.poller.unregister(client)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close connections that neither sent nor closed in time."""
        super().murder_pending()
        while self._lingering and self._lingering[0].timeout <= time.monotonic():
            conn = self._lingering.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Send problem details; gunicorn chooses the status and writes the log."""
        capture = ResponseCapture(client)
        super().handle_error(req, capture, addr, exc)
        with suppress(OSError):
            util.write_nonblock(client, raw_error_response(_status(capture.sent)))


def _call_application(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
    """Call the application.

    A response that leaves a body unread announces the end of the connection.
    """

    def start(*arguments: Any) -> Any:
        if _leaves_unread_body(environ["wsgi.input"]):
            start_response.__self__.force_close()
        return start_response(*arguments)

    return application(environ, start)


def _leaves_unread_body(body: Any) -> bool:
    """Return whether too much of a body is unread.

    Any unread rest of a chunked body counts, as its length is unknown.
    """
    reader = body.reader
    if isinstance(reader, ChunkedReader):
        return reader.parser is not None
    return bool(body.failed or reader.length + body.buf.tell() >= _MAX_UNREAD_BYTES)


def _status(page: bytes) -> int:
    words = page[:16].split(b" ")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 500
