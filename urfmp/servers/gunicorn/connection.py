"""One client's connection and the phases that it goes through."""

from __future__ import annotations

import enum
import socket
import time
from typing import Any

from urfmp.common.http.client_ip import client_network, forwarded_ip
from urfmp.servers.gunicorn.incoming import IncomingRequest
from urfmp.servers.gunicorn.limits import Limits
from urfmp.servers.gunicorn.outgoing import ResponseBuffer


class Phase(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()  # the first byte of a request
    RECEIVING = enum.auto()  # the rest of it
    HANDLING = enum.auto()  # a thread
    SENDING = enum.auto()  # the client, to read the rest of the response
    LINGERING = enum.auto()  # the client, to close


class Connection:
    """A connection of the event loop; threads use only its output.

    Attributes:
        client: IP address of the client, or its IPv6 /64; behind a proxy, that of its last
            request.
        phase: What the connection waits for.
        since: When the phase began.
        deadline: When an idle or lingering connection ends.
        keeps_alive: Whether another request may follow the response.
        held_bytes: Bytes of the body that count for all bodies.
    """

    def __init__(self, client: socket.socket, address: Any, server: Any) -> None:
        """Initialize the connection of an accepted socket.

        Args:
            client: Socket of the client.
            address: Its address.
            server: Address that it connected to.
        """
        client.setblocking(False)
        self.socket = client
        self.address = address
        self.server = server
        self.client = client_network(address[0]) if isinstance(address, tuple) else ""
        self.phase = Phase.IDLE
        self.since = time.monotonic()
        self.deadline = 0.0
        self.watched = 0
        self.requests = 0
        self.keeps_alive = False
        self.held_bytes = 0
        self.lingering_bytes = 0
        self.incoming: IncomingRequest | None = None
        self.output: ResponseBuffer

    def enter(self, phase: Phase, seconds: float = 0.0) -> None:
        """Begin a phase.

        Args:
            phase: The new phase.
            seconds: How long it may take, if it ends by time alone.
        """
        self.phase = phase
        self.since = time.monotonic()
        self.deadline = self.since + seconds

    def note_forwarded_client(self) -> None:
        """Take the client's address from the header that the proxy sets."""
        request = self.incoming.request if self.incoming else None
        if request is None:
            return
        for name, value in reversed(request.headers):
            if name == "X-FORWARDED-FOR":
                self.client = client_network(forwarded_ip(value)) or self.client
                return

    def is_late(self, now: float, limits: Limits) -> bool:
        """Return whether the client is too slow or idle."""
        if self.phase is Phase.RECEIVING:
            received = self.incoming.body.received if self.incoming else 0
            return now > self.since + limits.arrival_seconds(received)
        if self.phase in {Phase.HANDLING, Phase.SENDING}:
            return self.output.is_late(now)
        return now > self.deadline
