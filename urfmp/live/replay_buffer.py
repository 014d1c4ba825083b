"""Events of one organization: throttled, numbered, and retained for clients that reconnect."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from uuid import UUID

import msgspec

from urfmp.common.redis.events import (
    AlertEvent,
    CommandEvent,
    Event,
    Point,
    StatusEvent,
    TelemetryEvent,
)
from urfmp.live.send_queue import SendQueue, SseFrame

# Time that a buffer without subscribers is retained for clients that reconnect.
_IDLE_SECONDS = 60.0
_MAX_FRAMES = 4_000
_MAX_BYTES = 4 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


class ThrottledBuffer:
    """A numbered sequence of frames at one rate.

    Telemetry carries the newest value of each metric, on average at most once per robot and
    interval: a robot that sends exactly at the interval is not delayed by network jitter. Status
    events are sent immediately.
    """

    def __init__(
        self, interval_seconds: float, batch_seconds: float, max_frames: int = _MAX_FRAMES
    ) -> None:
        """Initialize an idle buffer.

        Args:
            interval_seconds: Time between two telemetry events of one robot.
            batch_seconds: Time within which events are sent together, to save system calls.
            max_frames: Number of frames that are retained for replay.
        """
        self._interval_seconds = interval_seconds
        self._batch_seconds = batch_seconds
        self._max_frames = max_frames
        self._token = ""
        self._number = 0
        self._retained: deque[SseFrame] = deque()
        self._retained_bytes = 0
        self._pending: dict[UUID, dict[str, Point]] = {}
        self._due: dict[UUID, float] = {}
        self._flushed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._subscribers: dict[SendQueue, frozenset[UUID] | None] = {}
        self._idle_since = 0.0

    @property
    def position(self) -> str:
        """The id of the latest frame."""
        return f"{self._token}-{self._number}"

    @property
    def has_subscribers(self) -> bool:
        """True if a connection receives the buffer's frames."""
        return bool(self._subscribers)

    def subscribed_robots(self) -> frozenset[UUID] | None:
        """Return the subscribed robots; None if a connection receives all."""
        subscriptions = self._subscribers.values()
        if any(robots is None for robots in subscriptions):
            return None
        return frozenset[UUID]().union(*(robots for robots in subscriptions if robots))

    def subscribe(self, queue: SendQueue, robots: frozenset[UUID] | None) -> None:
        """Put the following frames into a send queue.

        Args:
            queue: Send queue of the connection.
            robots: Robots whose frames it receives; None for all.
        """
        if not self._token:
            # Numbers start anew in each process and after each eviction; the token makes ids
            # of another sequence recognizable.
            self._token = secrets.token_hex(6)
        self._subscribers[queue] = robots

    def unsubscribe(self, queue: SendQueue) -> None:
        """Stop putting frames into a send queue."""
        self._subscribers.pop(queue, None)
        self._idle_since = time.monotonic()

    def evict_if_idle(self) -> bool:
        """Drop all frames if idle for a minute; return whether it was."""
        if self._subscribers or time.monotonic() - self._idle_since < _IDLE_SECONDS:
            return False
        self._cancel_timer()
        self._token = ""
        self._retained.clear()
        self._retained_bytes = 0
        self._pending.clear()
        return True

    def replay_after(self, position: str, robots: frozenset[UUID] | None) -> list[SseFrame] | None:
        """Return the frames after a position; None if some are not retained.

        Args:
            position: Id of the last frame that the client received.
            robots: Robots whose frames are returned; None for all.
        """
        token, _, number = position.rpartition("-")
        if not token or token != self._token or not number.isascii() or not number.isdigit():
            return None
        after = int(number) if len(number) < 19 else -1
        oldest = self._retained[0].number if self._retained else self._number + 1
        if not oldest - 1 <= after <= self._number:
            return None
        return [
            frame
            for frame in self._retained
            if frame.number > after and (robots is None or frame.robot_id in robots)
        ]

    def unnumbered_frame(self, event: Event) -> SseFrame:
        """Return a frame without an id, which clients cannot resume from."""
        return self._frame(event, b"data: %b\n\n" % _encode(event))

    def _frame(self, event: Event, data: bytes) -> SseFrame:
        return SseFrame(
            self._number,
            event.robot_id,
            isinstance(event, StatusEvent),
            data,
            isinstance(event, CommandEvent),
            isinstance(event, AlertEvent),
        )

    def add(self, event: Event) -> None:
        """Buffer an event, unless the buffer has no subscribers, current or resuming."""
        if not self._token:
            return
        if not isinstance(event, TelemetryEvent):
            self._emit(event)
            return
        points = self._pending.setdefault(event.robot_id, {})
        for point in event.points:
            known = points.get(point.metric_name)
            if known is None or known.time <= point.time:
                points[point.metric_name] = point
        now = asyncio.get_running_loop().time()
        allowed_at = self._allowed_at(event.robot_id)
        self._flush_at(max(allowed_at, self._flushed_at + self._batch_seconds), now)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _allowed_at(self, robot_id: UUID) -> float:
        return self._due.get(robot_id, 0.0) - self._interval_seconds / 2

    def _flush_at(self, when: float, now: float) -> None:
        if when <= now:
            self._flush()
        elif self._timer is None or when < self._timer.when():
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(when, self._flush)

    def _flush(self) -> None:
        self._cancel_timer()
        now = self._flushed_at = asyncio.get_running_loop().time()
        for robot_id in [robot for robot in self._pending if self._allowed_at(robot) <= now]:
            self._due[robot_id] = max(self._due.get(robot_id, 0.0), now) + self._interval_seconds
            points = self._pending.pop(robot_id)
            self._emit(TelemetryEvent(robot_id, list(points.values())))
        if self._pending:
            earliest = min(map(self._allowed_at, self._pending))
            self._flush_at(max(earliest, now + self._batch_seconds), now)

    def _emit(self, event: Event) -> None:
        self._number += 1
        frame = self._frame(
            event, b"id: %b\ndata: %b\n\n" % (self.position.encode(), _encode(event))
        )
        self._retain(frame)
        for queue, robots in self._subscribers.items():
            if robots is None or frame.robot_id in robots:
                queue.put(frame)

    def _retain(self, frame: SseFrame) -> None:
        self._retained.append(frame)
        self._retained_bytes += len(frame.data)
        while len(self._retained) > self._max_frames or self._retained_bytes > _MAX_BYTES:
            self._retained_bytes -= len(self._retained.popleft().data)
