"""The live process's HTTP protocol: uvicorn's, as strict as the web process's.

Select it with `--http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import ClassVar

import h11
from gunicorn.config import Config
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from uvicorn.protocols.http.h11_impl import H11Protocol

from urfmp.common.http.client_ip import client_network
from urfmp.servers.error_responses import raw_error_response
from urfmp.servers.gunicorn.incoming import BodyTooLargeError, IncomingRequest
from urfmp.servers.gunicorn.limits import Limits

# How long the head of a request may take to arrive; the proxy allows its clients as long.
_MAX_ARRIVAL_SECONDS = 10.0
_LIMITS = Limits()
# What a client may send while its previous request is being handled.
_MAX_WAITING_BYTES = _LIMITS.max_head_bytes
# Beyond it, connections that wait for a request are closed, several at a time.
_MAX_CONNECTIONS = 4_000
_VICTIMS = 100
# Web is started with the same limit: docker-compose.yml.
_CONFIG = Config()
_CONFIG.set("limit_request_line", 8190)
_HEAD_END = b"\r\n\r\n"
_STATUSES: tuple[tuple[type[ParseException], int], ...] = (
    (BodyTooLargeError, 413),
    (LimitRequestLine, 414),
    (ExpectationFailed, 417),
    (LimitRequestHeaders, 431),
    (UnsupportedTransferCoding, 501),
)


class Protocol(H11Protocol):
    """Uvicorn's connection with gunicorn's parser before its own.

    h11 accepts what web rejects, such as two lengths or folded headers. Each head is therefore
    parsed as in web before h11 sees it. A request with a body is the last of its connection, so
    that no head reaches h11 behind a body.
    """

    # Connections of this process whose request is being handled: streams, and polls of robots.
    # Their endpoints limit them.
    _handled: ClassVar[set[Protocol]] = set()

    _arrival_timer: asyncio.TimerHandle | None = None
    _checked_requests = 0
    _is_handling = False
    _has_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._waiting = bytearray()
        self._waiting_since = self.loop.time()
        self._start_arrival_timer()
        if len(self.connections) - len(self._handled) > _MAX_CONNECTIONS:
            self._close_heaviest()

    def data_received(self, data: bytes) -> None:
        """Process received data; an incomplete head starts the timer."""
        self._unset_keepalive_if_required()
        if self._has_body:
            super().data_received(data)
            return
        self._waiting += data
        if self._is_handling and len(self._waiting) > _MAX_WAITING_BYTES:
            self.transport.close()
        else:
            self._handle_next()

    def on_response_complete(self) -> None:
        """Go on with the next request, if it may follow."""
        if self._has_body:
            # Before h11 looks for another head behind the body.
            self.transport.close()
        super().on_response_complete()
        self._is_handling = False
        self._handled.discard(self)
        self._waiting_since = self.loop.time()
        self._handle_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        super().connection_lost(exc)
        self._handled.discard(self)
        self._cancel_arrival_timer()

    def send_400_response(self, msg: str) -> None:
        """Send problem details, unless a response has started; close the connection."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            # Uvicorn passes the message only; the current exception has the status.
            error = sys.exception()
            status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
            self.transport.write(raw_error_response(status))
        self.transport.close()

    def _close_heaviest(self) -> None:
        """Close idle connections of the client that has most of them."""
        waiting = [
            one
            for one in self.connections
            if isinstance(one, Protocol) and one is not self and not one._is_handling  # noqa: SLF001
        ]
        number = Counter(one._host for one in waiting)  # noqa: SLF001
        if not number:
            self.transport.close()
            return
        ((host, _),) = number.most_common(1)
        own = [one for one in waiting if one._host == host]  # noqa: SLF001
        own.sort(key=lambda one: one._waiting_since)  # noqa: SLF001
        for one in own[:_VICTIMS]:
            one.transport.close()

    @property
    def _host(self) -> str:
        return client_network(self.client[0]) if self.client else ""

    def _handle_next(self) -> None:
        """Pass the next head to h11 once complete and valid."""
        if self._is_handling or self.transport.is_closing():
            return
        if not self._waiting:
            self._start_arrival_timer()
            return
        incoming = IncomingRequest(_CONFIG, _LIMITS, self.client, self._checked_requests + 1)
        try:
            incoming.feed(bytes(self._waiting))
        except ParseException as error:
            status = next((found for kind, found in _STATUSES if isinstance(error, kind)), 400)
            self.logger.warning("Invalid HTTP request received.")
            self._cancel_arrival_timer()
            self.transport.write(raw_error_response(status))
            self.transport.close()
            return
        if incoming.request is None:
            self._start_arrival_timer()
            return
        self._cancel_arrival_timer()
        self._checked_requests += 1
        self._is_handling = True
        self._handled.add(self)
        end = self._waiting.find(_HEAD_END) + len(_HEAD_END)
        self._has_body = not incoming.is_complete or incoming.body.received > 0
        if self._has_body:
            end = len(self._waiting)
        head = bytes(self._waiting[:end])
        del self._waiting[:end]
        super().data_received(head)

    def _start_arrival_timer(self) -> None:
        if self._arrival_timer is None and not self.transport.is_closing():
            self._arrival_timer = self.loop.call_later(
                _MAX_ARRIVAL_SECONDS, self._close_late_request
            )

    def _cancel_arrival_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None

    def _close_late_request(self) -> None:
        if self._waiting:
            self.transport.write(raw_error_response(408))
        self.transport.close()
