"""HTTP as the live process's server speaks it: uvicorn's, with refusals as the API writes them.

Chosen by `--http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from urfmp.servers.error_responses import raw_error_response

# How long a request may take to arrive, its body aside; the proxy gives its clients as long.
_ARRIVAL_SECONDS = 10.0


class Protocol(H11Protocol):
    """uvicorn's connection, which also parts with clients whose request does not arrive."""

    _arrival_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request."""
        super().connection_made(transport)
        self._start_arrival_timer()

    def data_received(self, data: bytes) -> None:
        """Take what comes; the beginning of a request is to be followed by the rest."""
        super().data_received(data)
        self._start_arrival_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing any more."""
        super().connection_lost(exc)
        self._cancel_arrival_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, unless an answer is on its way; close the connection."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            # The server tells its words alone; the error that it is about knows the status.
            fault = sys.exception()
            status = fault.error_status_hint if isinstance(fault, h11.RemoteProtocolError) else 400
            self.transport.write(raw_error_response(status))
        self.transport.close()

    def _start_arrival_timer(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._cancel_arrival_timer()
        elif self._arrival_timer is None:
            self._arrival_timer = self.loop.call_later(_ARRIVAL_SECONDS, self._close_late_request)

    def _cancel_arrival_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None

    def _close_late_request(self) -> None:
        if self.conn.trailing_data[0]:
            self.transport.write(raw_error_response(408))
        self.transport.close()
