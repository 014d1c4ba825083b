"""What waits to be sent to one client: bounded, however slow the client is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

_BYTES_AT_MOST = 512 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One event as it goes over the wire; clients and buffers share it.

    Attributes:
        number: Its place in its feed.
    """

    number: int
    robot_id: UUID
    is_status: bool
    data: bytes


class Mailbox:
    """Frames for one client, taken out in the order of their numbers.

    A client that does not keep up loses the oldest telemetry; of statuses the latest of each
    robot stays. So it holds at most half a megabyte, one frame for each robot, and a few notes.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._telemetry: deque[Frame] = deque()
        self._telemetry_bytes = 0
        self._statuses: dict[UUID, Frame] = {}
        self._notes: dict[str, bytes] = {}
        self._filled = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Add a frame and wake the client's task."""
        if frame.is_status:
            self._statuses[frame.robot_id] = frame
        else:
            self._telemetry.append(frame)
            self._telemetry_bytes += len(frame.data)
            while self._telemetry_bytes > _BYTES_AT_MOST and len(self._telemetry) > 1:
                self._telemetry_bytes -= len(self._telemetry.popleft().data)
        self._filled.set()

    def put_unless_newer(self, frames: Iterable[Frame]) -> None:
        """Add statuses that were read from the database, where no event has overtaken them."""
        for frame in frames:
            if frame.robot_id not in self._statuses:
                self.put(frame)

    def note(self, kind: str, data: bytes) -> None:
        """Add something that belongs to no robot, sent first and at most once of each kind."""
        self._notes[kind] = data
        self._filled.set()

    def wake(self) -> None:
        """Wake the client's task without anything to send."""
        self._filled.set()

    async def take(self) -> bytes:
        """Wait until there is something, and return all of it; maybe nothing after `wake`."""
        await self._filled.wait()
        self._filled.clear()
        frames: list[Frame] = [*self._telemetry]
        if self._statuses:
            frames = sorted([*frames, *self._statuses.values()], key=lambda frame: frame.number)
        data = b"".join([*self._notes.values(), *(frame.data for frame in frames)])
        self._telemetry.clear()
        self._telemetry_bytes = 0
        self._statuses.clear()
        self._notes.clear()
        return data
