"""The live process's HTTP protocol: uvicorn's with time limits and problem details.

Select it with `--http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from urfmp.servers.error_responses import raw_error_response

# How long the head of a request may take to arrive; the proxy allows its clients as long.
_MAX_ARRIVAL_SECONDS = 10.0


class Protocol(H11Protocol):
    """Uvicorn's connection with a time limit for requests."""

    _arrival_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._start_arrival_timer()

    def data_received(self, data: bytes) -> None:
        """Process received data; an incomplete request starts the timer."""
        super().data_received(data)
        self._start_arrival_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        super().connection_lost(exc)
        self._cancel_arrival_timer()

    def send_400_response(self, msg: str) -> None:
        """Send problem details, unless a response has started; close the connection."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            # Uvicorn passes the message only; the current exception has the status.
            error = sys.exception()
            status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
            self.transport.write(raw_error_response(status))
        self.transport.close()

    def _start_arrival_timer(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._cancel_arrival_timer()
        elif self._arrival_timer is None:
            self._arrival_timer = self.loop.call_later(
                _MAX_ARRIVAL_SECONDS, self._close_late_request
            )

    def _cancel_arrival_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None

    def _close_late_request(self) -> None:
        if self.conn.trailing_data[0]:
            self.transport.write(raw_error_response(408))
        self.transport.close()
