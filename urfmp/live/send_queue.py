"""Frames that wait to be sent on one connection, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

_MAX_TELEMETRY_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class SseFrame:
    """One encoded server-sent event, shared by send queues and replay buffers.

    Attributes:
        number: Position in the buffer's sequence.
        robot_id: Robot that the event is about; None for alerts without a robot.
        is_status: Whether it is a status event; otherwise telemetry, or of a command or alert.
        data: Bytes that are sent.
        is_command: Whether it is a command event, which not every connection may receive.
        is_alert: Whether it is an alert event, which not every connection may receive.
    """

    number: int
    robot_id: UUID | None
    is_status: bool
    data: bytes
    is_command: bool = False
    is_alert: bool = False


class SendQueue:
    """Frames for one connection, sent in the order of their numbers.

    A client that cannot keep up loses the oldest telemetry, and all but the latest status of each
    robot. The queue holds at most 512 KiB of telemetry (or a single larger frame), one status
    frame for each robot and one control frame of each kind.
    """

    def __init__(self, *, accepts_commands: bool = True, accepts_alerts: bool = True) -> None:
        """Initialize an empty queue.

        Args:
            accepts_commands: Whether the connection may receive command events.
            accepts_alerts: Whether the connection may receive alert events.
        """
        self._accepts_commands = accepts_commands
        self._accepts_alerts = accepts_alerts
        self._telemetry: deque[SseFrame] = deque()
        self._telemetry_bytes = 0
        self._statuses: dict[UUID, SseFrame] = {}
        self._controls: dict[str, bytes] = {}
        self._ready = asyncio.Event()

    def put(self, frame: SseFrame) -> None:
        """Add a frame that the connection may receive, and wake the reader."""
        if frame.is_command and not self._accepts_commands:
            return
        if frame.is_alert and not self._accepts_alerts:
            return
        if frame.is_status and frame.robot_id is not None:
            self._statuses[frame.robot_id] = frame
        else:
            self._telemetry.append(frame)
            self._telemetry_bytes += len(frame.data)
            while self._telemetry_bytes > _MAX_TELEMETRY_BYTES and len(self._telemetry) > 1:
                self._telemetry_bytes -= len(self._telemetry.popleft().data)
        self._ready.set()

    def put_if_absent(self, frames: Iterable[SseFrame]) -> None:
        """Add statuses read from the database, unless newer ones are queued."""
        for frame in frames:
            if frame.robot_id not in self._statuses:
                self.put(frame)

    def put_control(self, kind: str, data: bytes) -> None:
        """Add data to send first, at most once of each kind."""
        self._controls[kind] = data
        self._ready.set()

    def wake(self) -> None:
        """Wake the reader without adding data."""
        self._ready.set()

    async def get(self) -> bytes:
        """Wait for data and return all of it; empty after `wake`."""
        await self._ready.wait()
        self._ready.clear()
        frames: list[SseFrame] = [*self._telemetry]
        if self._statuses:
            frames = sorted([*frames, *self._statuses.values()], key=lambda frame: frame.number)
        data = b"".join([*self._controls.values(), *(frame.data for frame in frames)])
        self._telemetry.clear()
        self._telemetry_bytes = 0
        self._statuses.clear()
        self._controls.clear()
        return data
