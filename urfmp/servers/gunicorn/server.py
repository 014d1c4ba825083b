"""A worker's connections: complete requests come in, responses go out."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request

from urfmp.servers.error_responses import INCOMPLETE, raw_error_response
from urfmp.servers.gunicorn.connection import Connection, Phase
from urfmp.servers.gunicorn.event_loop import EventLoop
from urfmp.servers.gunicorn.incoming import IncomingRequest
from urfmp.servers.gunicorn.limits import Limits
from urfmp.servers.gunicorn.outgoing import ResponseBuffer, WaitingWriters
from urfmp.servers.gunicorn.pool import BodyBudget, ConnectionPool
from urfmp.servers.gunicorn.threads import RequestThreads

# Long enough for another worker to wake up.
_ACCEPT_PAUSE_SECONDS = 0.001
_TURN_SECONDS = 0.25
_RECEIVE_BYTES = 64 * 1024
# A stopping worker answers what a client sends before it sees the end of its idle connection.
_STOP_IDLE_SECONDS = 2.0
_MAX_CLIENT_CONNECTIONS = 0.5
_MAX_LINGER_PERIODS = 5
_HEALTH_PATH = "/healthz"
_RETRY_AFTER_SECONDS = 2
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Server:
    """Connections of one worker.

    The event loop receives complete requests and sends what clients do not read at once. Of the
    threads, at most half wait for clients that read a long response slowly, and at most three
    quarters handle requests of one client. `/healthz` has a thread of its own.

    Attributes:
        connections: The open connections.
        requests: Number of requests so far.
    """

    def __init__(
        self,
        config: Any,
        limits: Limits,
        listeners: list[Any],
        *,
        respond: Callable[[Connection, Request], bool],
        reject: Callable[[Any, ResponseBuffer, Any, Exception], None],
        is_behind_proxy: bool,
    ) -> None:
        """Start to listen.

        Args:
            config: Gunicorn's configuration.
            limits: What one client may hold.
            listeners: Listening sockets.
            respond: Responds to a request, in a thread; returns whether another may follow.
            reject: Responds to a malformed request.
            is_behind_proxy: Whether a proxy names the client of each request. Its connections all
                come from one address.
        """
        self.requests = 0
        self._config = config
        self._limits = limits
        self._listeners = listeners
        self._respond = respond
        self._reject_malformed = reject
        self._is_behind_proxy = is_behind_proxy
        self._loop = EventLoop()
        self._threads = RequestThreads(config.threads, self._loop.call_soon)
        self._writers = WaitingWriters(max(config.threads // 2, 1))
        total = config.worker_connections
        per_client = None if is_behind_proxy else max(int(total * _MAX_CLIENT_CONNECTIONS), 1)
        self.connections = ConnectionPool(total, per_client)
        self._bodies = BodyBudget(limits.max_body_bytes_total)
        self._is_stopping = False
        self._is_listening = False
        self._next_check = 0.0

    def wake_up_on(self, descriptor: int) -> None:
        """End a turn when a pipe becomes readable, as after a signal."""

        def clear() -> None:
            with suppress(BlockingIOError):
                os.read(descriptor, _RECEIVE_BYTES)

        self._loop.watch(descriptor, selectors.EVENT_READ, clear)

    def turn(self) -> None:
        """Process what has happened, or wait a moment for something to happen."""
        if not self._is_stopping:
            self._listen(is_enabled=self.connections.has_room_or_victim)
        self._loop.run_once(_TURN_SECONDS)
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _TURN_SECONDS
            for connection in self.connections:
                if connection.is_late(now, self._limits):
                    self._end_late(connection)

    def stop_listening(self) -> None:
        """Accept no more connections, and end idle ones soon."""
        self._is_stopping = True
        self._listen(is_enabled=False)
        latest = time.monotonic() + _STOP_IDLE_SECONDS
        for connection in self.connections:
            if connection.phase is Phase.IDLE:
                connection.deadline = min(connection.deadline, latest)

    def close(self) -> None:
        """Drop the remaining connections."""
        for connection in self.connections:
            # A thread that waits for the client would keep the process alive.
            connection.output.abort()
        self._threads.shut_down()
        for listener in self._listeners:
            listener.close()

    def _listen(self, *, is_enabled: bool) -> None:
        if is_enabled == self._is_listening:
            return
        self._is_listening = is_enabled
        for listener in self._listeners:
            listener.setblocking(False)
            events = selectors.EVENT_READ if is_enabled else 0
            self._loop.watch(listener, events, partial(self._accept, listener))

    def _watch(self, connection: Connection, events: int) -> None:
        if events != connection.watched:
            connection.watched = events
            self._loop.watch(connection.socket, events, partial(self._on_event, connection))

    def _on_event(self, connection: Connection) -> None:
        if connection.phase in {Phase.HANDLING, Phase.SENDING}:
            self._send(connection)
        elif connection.phase is Phase.LINGERING:
            self._linger(connection)
        else:
            self._receive(connection)

    # Opening and closing

    def _accept(self, listener: Any) -> None:
        """Accept a connection; with more connections than threads, pause afterwards.

        A worker that is awake would otherwise accept all of many simultaneous connections, and
        keep them as long as they are alive.
        """
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._close_heaviest(self.connections)
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                raise
            return
        connection = Connection(client, address, listener.getsockname())
        victims = self.connections.victims_for(connection)
        if connection in victims:
            client.close()
            return
        for victim in victims:
            self._close(victim)
        connection.output = ResponseBuffer(
            client,
            self._limits,
            self._writers,
            partial(self._loop.call_soon, self._send, connection),
        )
        self.connections.add(connection)
        connection.enter(Phase.IDLE, self._limits.max_silence_seconds)
        self._watch(connection, selectors.EVENT_READ)
        if len(self.connections) > self._config.threads and not victims:
            time.sleep(_ACCEPT_PAUSE_SECONDS)

    def _close_heaviest(self, connections: Iterable[Connection]) -> None:
        """Close connections of the client that has most of them."""
        for victim in self.connections.heaviest(connections):
            self._close(victim)

    def _close(self, connection: Connection) -> None:
        self._watch(connection, 0)
        self.connections.remove(connection)
        self._bodies.release(connection)
        connection.output.abort()
        connection.socket.close()

    def _end_late(self, connection: Connection) -> None:
        """End a connection whose client is too slow."""
        if connection.phase is Phase.RECEIVING:
            self._reject(connection, raw_error_response(408))
        elif connection.phase is Phase.HANDLING:
            # The thread that writes gets an error and finishes.
            connection.output.abort()
        else:
            self._close(connection)

    def _reject(self, connection: Connection, response: bytes) -> None:
        with suppress(OSError):
            connection.output.sendall(response)
        connection.keeps_alive = False
        self._finish(connection)

    # Receiving

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._process(connection, data)
        elif connection.incoming is not None and connection.incoming.request is not None:
            self._reject(connection, raw_error_response(400, INCOMPLETE))
        else:
            self._close(connection)

    def _process(self, connection: Connection, data: bytes) -> None:
        """Add bytes to the current request; the first ones begin it."""
        if connection.incoming is None:
            connection.requests += 1
            connection.incoming = IncomingRequest(
                self._config, self._limits, connection.address, connection.requests
            )
            connection.enter(Phase.RECEIVING)
        incoming = connection.incoming
        try:
            incoming.feed(data)
        except ParseException as error:
            self._reject_malformed(incoming.request, connection.output, connection.address, error)
            connection.keeps_alive = False
            self._finish(connection)
            return
        if self._is_behind_proxy:
            connection.note_forwarded_client()
        if (victim := self._bodies.hold(connection, incoming.body.received)) is not None:
            self._reject(victim, raw_error_response(503, retry_after=_RETRY_AFTER_SECONDS))
        if connection.phase is not Phase.RECEIVING:
            return
        if incoming.is_complete:
            self._handle(connection, incoming)
        elif incoming.continue_if_expected():
            with suppress(OSError):
                connection.output.sendall(_CONTINUE)

    def _handle(self, connection: Connection, incoming: IncomingRequest) -> None:
        """Assign a thread to a complete request."""
        request = incoming.request
        assert request is not None  # noqa: S101 - for the type checker
        self.requests += 1
        connection.enter(Phase.HANDLING)
        self._watch(connection, 0)

        def task() -> bool:
            return self._respond(connection, request)

        def handled(keeps_alive: bool) -> None:
            connection.keeps_alive = keeps_alive
            self._finish(connection)

        is_health_check = request.path == _HEALTH_PATH
        if not (is_health_check and self._threads.submit_health_check(task, handled)):
            self._threads.submit(connection.client, task, handled)

    # Sending

    def _finish(self, connection: Connection) -> None:
        """End a request whose response has been written, and perhaps not sent."""
        self._bodies.release(connection)
        if connection.output.is_closed:
            self._close(connection)
        elif connection.output.size:
            connection.enter(Phase.SENDING)
            self._watch(connection, selectors.EVENT_WRITE)
            self._limit_buffered()
        else:
            self._next(connection)

    def _send(self, connection: Connection) -> None:
        """Send what waits for the client, as much as it accepts."""
        if connection.phase not in {Phase.HANDLING, Phase.SENDING}:
            return
        connection.output.flush()
        self._watch(connection, selectors.EVENT_WRITE if connection.output.size else 0)
        if connection.phase is Phase.SENDING:
            if connection.output.is_closed:
                self._close(connection)
            elif not connection.output.size:
                self._next(connection)

    def _limit_buffered(self) -> None:
        """Drop the heaviest client if all responses hold too much."""
        sending = [one for one in self.connections if one.phase is Phase.SENDING]
        if sum(one.output.size for one in sending) > self._limits.max_buffered_bytes_total:
            self._close_heaviest(sending)

    def _next(self, connection: Connection) -> None:
        """Wait for the next request, or for the client to close."""
        surplus = connection.incoming.surplus if connection.incoming else b""
        connection.incoming = None
        if not connection.keeps_alive:
            self._shut_down(connection)
            return
        seconds = _STOP_IDLE_SECONDS if self._is_stopping else self._config.keepalive
        connection.enter(Phase.IDLE, seconds)
        self._watch(connection, selectors.EVENT_READ)
        if surplus:
            self._process(connection, surplus)

    def _shut_down(self, connection: Connection) -> None:
        """Close our side: closing with unread input would reset the connection."""
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.enter(Phase.LINGERING, self._limits.max_linger_seconds)
        self._watch(connection, selectors.EVENT_READ)

    def _linger(self, connection: Connection) -> None:
        """Discard further input until the client closes."""
        try:
            received = len(connection.socket.recv(_RECEIVE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        connection.lingering_bytes += received
        connection.deadline = min(
            time.monotonic() + self._limits.max_linger_seconds,
            connection.since + _MAX_LINGER_PERIODS * self._limits.max_linger_seconds,
        )
        if not received or connection.lingering_bytes > self._limits.max_linger_bytes:
            self._close(connection)
