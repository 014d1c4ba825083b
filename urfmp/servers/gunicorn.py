"""The web process's worker: gunicorn's threads, with refusals as the API writes them.

Started by `--worker-class urfmp.servers.gunicorn.Worker`.
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

# Seconds: enough for another worker to wake up.
_ACCEPT_PAUSE_SECONDS = 0.001
# What gunicorn takes of a body that nobody has read before it gives the connection up.
_MAX_UNREAD_BYTES = 64 * 1024
# A client that has its last answer is given so long, and so many bytes, to hang up.
_LAST_SECONDS, _LAST_BYTES, _LAST_READ = 2.0, 4 * 1024 * 1024, 64 * 1024


# A new client may be silent for so long; it costs no thread.
_SILENCE_SECONDS = 10.0
# A thread waits so long for the next bytes of a request, and for room for those of an answer.
_STALL_SECONDS, _READER_STALL_SECONDS = 30, 300
# In all a request's head may take so long; its body as long again, and what this pace takes.
_ARRIVAL_SECONDS, _LEAST_BYTES_PER_SECOND = 30.0, 16 * 1024


class DeadlineSocket(socket.socket):
    """A client's connection, over which no thread waits without end.

    Whoever is too slow is treated as one who has gone away.

    Attributes:
        deadline: When what is being read has to be there, on the monotonic clock; for a body it
            begins with the reading.
    """

    deadline = math.inf

    @classmethod
    def of(cls, accepted: socket.socket) -> DeadlineSocket:
        """Take a connection over."""
        client = cls(fileno=accepted.detach())
        for option, seconds in (
            (socket.SO_RCVTIMEO, _STALL_SECONDS),
            (socket.SO_SNDTIMEO, _READER_STALL_SECONDS),
        ):
            client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
        return client

    def recv(self, *arguments: Any) -> bytes:
        """Return what has come; empty at the end."""
        try:
            data = super().recv(*arguments)
        except BlockingIOError:
            raise ConnectionResetError(errno.ECONNRESET, "Nothing comes any more.") from None
        if time.monotonic() > self.deadline:
            raise ConnectionResetError(errno.ECONNRESET, "It comes too slowly.")
        return data

    def sendall(self, *arguments: Any) -> None:
        """Send everything."""
        try:
            super().sendall(*arguments)
        except BlockingIOError:
            raise BrokenPipeError(errno.EPIPE, "Nothing is read any more.") from None


class CompleteBodyReader(LengthReader):
    """Reads a body of known length; gunicorn's takes one that breaks off for a shorter one."""

    def read(self, size: int) -> bytes:
        """Return bytes, fewer than asked for only at the body's end."""
        client, wanted = self.unreader.sock, min(self.length, size)
        if client.deadline == math.inf:
            seconds = _ARRIVAL_SECONDS + self.length / _LEAST_BYTES_PER_SECOND
            client.deadline = time.monotonic() + seconds
        data: bytes = super().read(size)
        if len(data) < wanted:
            raise ConnectionResetError(errno.ECONNRESET, "The body broke off.")
        return data


class ResponseCapture:
    """Stands for the client, and takes what gunicorn would have sent."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.sent = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def gettimeout(self) -> float:
        """Say that nothing blocks, so that nothing is changed about the client."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data


class Worker(ThreadWorker):
    """gunicorn's threaded worker, which leaves connections to its neighbours.

    And without its HTML, which has no policy and quotes the request, its answers that do not say
    that they are the last, its waits for clients that send nothing or do not hang up, and its trust
    that a body has come whole.
    """

    wsgi: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start without connections."""
        super().__init__(*args, **kwargs)
        # It waits for a reader of a file however long; what is sent piece by piece does not.
        self.cfg.set("sendfile", False)
        self._lingering: deque[Any] = deque()

    def load_wsgi(self) -> None:
        """Load the application, as one that tells when a connection ends."""
        super().load_wsgi()
        self.wsgi = partial(_answer, self.wsgi)

    def accept(self, listener: Any) -> None:
        """Take a connection; with more than there are threads, wait a moment afterwards.

        Whoever is awake takes what comes, so one worker could get all of many connections that
        are opened at once, and keep them for as long as they are kept alive.
        """
        super().accept(listener)
        if self.nr_conns > self.cfg.threads:
            time.sleep(_ACCEPT_PAUSE_SECONDS)

    def enqueue_req(self, conn: Any) -> None:
        """Have a thread answer what comes, once it comes, and for as long as it does.

        gunicorn has a thread wait five seconds for a new client's first word. Browsers connect
        without a word, to be quick later.
        """
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock = DeadlineSocket.of(conn.sock)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _SILENCE_SECONDS
        self.pending_conns.append(conn)
        heard = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, heard)

    def handle(self, conn: Any) -> Any:
        """Read a request and answer it."""
        conn.sock.deadline = time.monotonic() + _ARRIVAL_SECONDS
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has come."""
        conn.sock.deadline = math.inf
        reader = req.body.reader
        if isinstance(reader, LengthReader) and reader.length:
            req.body.reader = CompleteBodyReader(reader.unreader, reader.length)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection or end it.

        gunicorn waits up to two seconds for each client to hang up, and serves nobody meanwhile.
        Here they wait beside each other.
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
        conn.timeout, conn.left = time.monotonic() + _LAST_SECONDS, _LAST_BYTES
        self._lingering.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._linger, conn))

    def _linger(self, conn: Any, client: Any) -> None:
        """Take what still comes: a connection closed over it is torn, and the answer with it."""
        with suppress(OSError):
            taken = len(client.recv(_LAST_READ))
            conn.left -= taken
            if taken and conn.left > 0:
                return
        self._lingering.remove(conn)
        self.poller.unregister(client)
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """End connections whose client has sent nothing, or has not hung up, in time."""
        super().murder_pending()
        while self._lingering and self._lingering[0].timeout <= time.monotonic():
            conn = self._lingering.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what cannot be read; gunicorn judges it, and writes the log."""
        page = ResponseCapture(client)
        super().handle_error(req, page, addr, exc)
        with suppress(OSError):
            util.write_nonblock(client, raw_error_response(_status(page.sent)))


def _answer(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
    """Answer; where gunicorn would give the connection up over the rest of a body, say so."""

    def start(*arguments: Any) -> Any:
        if _leaves_too_much(environ["wsgi.input"]):
            start_response.__self__.force_close()
        return start_response(*arguments)

    return application(environ, start)


def _leaves_too_much(body: Any) -> bool:
    """Tell whether more of a body is left than is taken; of one in chunks nobody knows."""
    reader = body.reader
    if isinstance(reader, ChunkedReader):
        return reader.parser is not None
    return bool(body.failed or reader.length + body.buf.tell() >= _MAX_UNREAD_BYTES)


def _status(page: bytes) -> int:
    words = page[:16].split(b" ")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 500
