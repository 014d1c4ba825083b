"""The connections of a process, and limits for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from urfmp.servers.gunicorn.connection import Connection, Phase

_WAITING_FOR_CLIENT = frozenset({Phase.IDLE, Phase.RECEIVING, Phase.SENDING, Phase.LINGERING})


_UNCOUNTED_BYTES = 64 * 1024
_VICTIMS_SHARE = 0.05


class ConnectionPool:
    """The open connections, with limits that name victims instead of rejecting newcomers.

    Victims belong to the client with the most connections, and have waited longest for it. A
    connection whose request is being handled is never a victim.
    """

    def __init__(self, max_total: int, max_per_client: int | None) -> None:
        """Start without connections.

        Args:
            max_total: Maximum number of all connections.
            max_per_client: Maximum number of one client's connections; None behind a proxy, where
                all connections come from the proxy.
        """
        self._max_total = max_total
        self._max_per_client = max_per_client
        self._connections: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections))

    def add(self, connection: Connection) -> None:
        """Add a connection."""
        self._connections.add(connection)

    def remove(self, connection: Connection) -> None:
        """Remove a connection; a second time has no effect."""
        self._connections.discard(connection)

    @property
    def has_room_or_victim(self) -> bool:
        """Return whether another connection can be accepted."""
        return not self._is_full or bool(self.heaviest(self._connections))

    @property
    def _is_full(self) -> bool:
        return len(self._connections) >= self._max_total

    def victims_for(self, newcomer: Connection) -> list[Connection]:
        """Return the connections to close for a newcomer, possibly the newcomer itself.

        They are several, because who fills the process is likely to go on.
        """
        if self._max_per_client is not None:
            own = [one for one in self._connections if one.client == newcomer.client]
            if len(own) >= self._max_per_client:
                return self._longest_waiting(own) or [newcomer]
        return self.heaviest(self._connections) if self._is_full else []

    def heaviest(self, connections: Iterable[Connection]) -> list[Connection]:
        """Return the victims among connections; none if all are being handled."""
        candidates = [one for one in connections if one.phase in _WAITING_FOR_CLIENT]
        if not candidates:
            return []
        ((client, _),) = Counter(one.client for one in candidates).most_common(1)
        return self._longest_waiting(one for one in candidates if one.client == client)

    def _longest_waiting(self, connections: Iterable[Connection]) -> list[Connection]:
        waiting = [one for one in connections if one.phase in _WAITING_FOR_CLIENT]
        waiting.sort(key=lambda one: one.since)
        return waiting[: max(int(self._max_total * _VICTIMS_SHARE), 1)]


class BodyBudget:
    """Bytes of the bodies that have been received and not been handled.

    Bodies of up to 64 KB do not count: the number of connections limits them.
    """

    def __init__(self, max_bytes: int) -> None:
        """Start without bodies.

        Args:
            max_bytes: Maximum of all bodies together.
        """
        self._max_bytes = max_bytes
        self._holders: set[Connection] = set()
        self._total = 0

    def hold(self, connection: Connection, received: int) -> Connection | None:
        """Count the bytes that a connection has received of a body.

        Returns:
            The connection to end if all bodies together are too large: among those that are
            incomplete, the oldest of the client that holds most.
        """
        if received <= _UNCOUNTED_BYTES:
            return None
        self._holders.add(connection)
        self._total += received - connection.held_bytes
        connection.held_bytes = received
        if self._total <= self._max_bytes:
            return None
        held: Counter[str] = Counter()
        for one in self._holders:
            held[one.client] += one.held_bytes
        incomplete = [one for one in self._holders if one.phase is Phase.RECEIVING]
        return max(incomplete, key=lambda one: (held[one.client], -one.since), default=connection)

    def release(self, connection: Connection) -> None:
        """Stop to count the body of a connection."""
        self._holders.discard(connection)
        self._total -= connection.held_bytes
        connection.held_bytes = 0
