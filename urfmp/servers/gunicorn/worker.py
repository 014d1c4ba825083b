"""The worker: gunicorn's process model, parser and responses."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.workers import base

from urfmp.env import env_bool
from urfmp.servers.error_responses import raw_error_response
from urfmp.servers.gunicorn.connection import Connection
from urfmp.servers.gunicorn.incoming import BodyTooLargeError
from urfmp.servers.gunicorn.limits import Limits
from urfmp.servers.gunicorn.outgoing import ResponseBuffer
from urfmp.servers.gunicorn.server import Server

_DISCONNECTS = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})


class Worker(base.Worker):
    """A worker whose threads never wait for a client to send.

    `Server` receives and sends in an event loop. Gunicorn parses requests and writes responses; its
    error pages, HTML that quotes the request, are replaced by problem details.

    Attributes:
        limits: What one client may hold.
    """

    limits: ClassVar[Limits] = Limits()
    alive: bool
    wsgi: Any

    def run(self) -> None:
        """Serve until the worker is stopped, then finish the running requests."""
        server = Server(
            self.cfg,
            self.limits,
            self.sockets,
            respond=self._respond,
            reject=self.handle_error,
            is_behind_proxy=env_bool("TRUST_PROXY", default=False),
        )
        server.wake_up_on(self.PIPE[0])
        while self.alive and self.ppid == os.getppid():
            self.notify()
            server.turn()
            if server.requests >= self.max_requests:
                self.alive = False
        self.alive = False
        server.stop_listening()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while server.connections and time.monotonic() < deadline:
            self.notify()
            server.turn()
        server.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Send problem details; gunicorn chooses the status and writes the log."""
        if isinstance(exc, BodyTooLargeError):
            status = 413
        else:
            capture = _ResponseCapture()
            super().handle_error(req, capture, addr, exc)
            status = capture.status
        with suppress(OSError):
            client.sendall(raw_error_response(status))

    def _respond(self, connection: Connection, request: Request) -> bool:
        """Respond to a request, in a thread; return whether another may follow."""
        began = datetime.now()  # noqa: DTZ005 - only the difference counts
        output, response = connection.output, None
        try:
            response, environ = wsgi.create(
                request, output, connection.address, connection.server, self.cfg
            )
            environ["wsgi.multithread"] = True
            if not self.alive or not self.cfg.keepalive:
                response.force_close()
            content = self.wsgi(environ, response.start_response)
            try:
                for part in content:
                    response.write(part)
                response.close()
            finally:
                duration = datetime.now() - began  # noqa: DTZ005
                self.log.access(response, request, environ, duration)
                if hasattr(content, "close"):
                    content.close()
        except OSError as error:
            # Of the client's connection; the application uses them to abort a download, too.
            if error.errno not in _DISCONNECTS:
                self._fail(output, connection.address, request, response, error)
            return False
        except Exception as error:  # noqa: BLE001 - the application may raise anything
            self._fail(output, connection.address, request, response, error)
            return False
        return not response.should_close()

    def _fail(
        self,
        output: ResponseBuffer,
        address: Any,
        request: Request,
        response: Any,
        error: Exception,
    ) -> None:
        """Respond to an error, unless a response has begun."""
        if response is not None and response.headers_sent:
            self.log.error("Error handling request %s", request.uri, exc_info=error)
        else:
            self.handle_error(request, output, address, error)


class _ResponseCapture:
    """A substitute for the client that captures an error page."""

    def __init__(self) -> None:
        self._sent = b""

    @property
    def status(self) -> int:
        words = self._sent[:16].split(b" ")
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 500

    def gettimeout(self) -> float:
        """Report a non-blocking socket, so that gunicorn does not change its mode."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Capture the data."""
        self._sent += data
