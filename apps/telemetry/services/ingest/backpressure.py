"""Bound the bytes of telemetry that a process holds in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from apps.telemetry.exceptions import BusyError, SendingTooMuchError

_MEGABYTE = 1024 * 1024
# A thread of the server holds one request. An organization that sends large batches gets busy
# before it has all the threads.
MOST_BYTES = 12 * _MEGABYTE
MOST_BYTES_OF_ONE = 5 * _MEGABYTE


class Admission:
    """Counts the bytes of the requests that are under way in this process."""

    def __init__(self, most: int = MOST_BYTES, most_of_one: int = MOST_BYTES_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._lock = threading.Lock()
        self._held: dict[UUID, int] = {}
        self._total = 0

    @contextmanager
    def admitted(self, organization_id: UUID, size: int) -> Iterator[Room]:
        """Hold room for so many bytes for the length of a block.

        Raises:
            SendingTooMuchError: The organization holds too much with them.
            BusyError: All of them together do.
        """
        room = Room(self, organization_id)
        room.grow(size)
        try:
            yield room
        finally:
            self.change(room, -room.size)

    def change(self, room: Room, more: int) -> None:
        """Let a room grow or shrink. What stands alone may be of any size."""
        with self._lock:
            held = self._held.get(room.organization_id, 0)
            if more > 0 and held > room.size and held + more > self._most_of_one:
                raise SendingTooMuchError
            if more > 0 and self._total > room.size and self._total + more > self._most:
                raise BusyError
            room.size += more
            self._total += more
            self._held[room.organization_id] = held + more
            if held + more <= 0:
                del self._held[room.organization_id]


@dataclass
class Room:
    """What a request holds of the bytes that one process takes in."""

    admission: Admission
    organization_id: UUID
    size: int = 0

    def grow(self, more: int) -> None:
        """Hold more bytes, as when a body is larger unpacked.

        Raises:
            BusyError: There is no room for them.
        """
        self.admission.change(self, more)
