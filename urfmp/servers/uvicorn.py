"""HTTP as the live process's server speaks it: uvicorn's, with refusals as the API writes them.

Chosen by `--http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from urfmp.servers.error_responses import refusal

# How long a request may take to arrive, its body aside; the proxy gives its clients as long.
_ARRIVAL_SECONDS = 10.0


class Protocol(H11Protocol):
    """uvicorn's connection, which also parts with clients whose request does not arrive."""

    _arrival: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request."""
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take what comes; the beginning of a request is to be followed by the rest."""
        super().data_received(data)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing any more."""
        super().connection_lost(exc)
        self._end_wait()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, unless an answer is on its way; close the connection."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            # The server tells its words alone; the error that it is about knows the status.
            fault = sys.exception()
            status = fault.error_status_hint if isinstance(fault, h11.RemoteProtocolError) else 400
            self.transport.write(refusal(status))
        self.transport.close()

    def _await_request(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._end_wait()
        elif self._arrival is None:
            self._arrival = self.loop.call_later(_ARRIVAL_SECONDS, self._give_up)

    def _end_wait(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _give_up(self) -> None:
        if self.conn.trailing_data[0]:
            self.transport.write(refusal(408))
        self.transport.close()
