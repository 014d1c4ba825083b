"""One organization's events, thinned, numbered, and kept for a while for clients that return."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from uuid import UUID

import msgspec

from urfmp.common.redis.events import Event, Point, StatusEvent, TelemetryEvent
from urfmp.live.send_queue import Frame, Mailbox

# How long a feed without readers waits for one that comes back.
_REMEMBERED_SECONDS = 60.0
_KEPT_FRAMES = 4_000
_KEPT_BYTES = 4 * 1024 * 1024
_encode = msgspec.json.Encoder().encode


class Feed:
    """A numbered series of frames at one pace.

    Of each robot's metrics the newest value goes out, at most one telemetry event per robot and
    interval on average: a sender that keeps exactly to the interval is never held back by the
    jitter of its network. Statuses go out at once.
    """

    def __init__(self, interval: float, gap: float) -> None:
        """Start without a past.

        Args:
            interval: Seconds between two telemetry events of one robot.
            gap: Seconds within which events are sent together, to spare system calls.
        """
        self._interval = interval
        self._gap = gap
        self._token = ""
        self._number = 0
        self._kept: deque[Frame] = deque()
        self._kept_bytes = 0
        self._pending: dict[UUID, dict[str, Point]] = {}
        self._due: dict[UUID, float] = {}
        self._sent_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._readers: dict[Mailbox, frozenset[UUID] | None] = {}
        self._left_at = 0.0

    @property
    def position(self) -> str:
        """The id of the latest frame."""
        return f"{self._token}-{self._number}"

    def __bool__(self) -> bool:
        """Whether anybody reads it."""
        return bool(self._readers)

    def robots(self) -> frozenset[UUID] | None:
        """Return the robots that somebody watches; None when somebody watches all."""
        watched = self._readers.values()
        if any(robots is None for robots in watched):
            return None
        return frozenset[UUID]().union(*(robots for robots in watched if robots))

    def join(self, mailbox: Mailbox, robots: frozenset[UUID] | None) -> None:
        """Put every frame of these robots, or of all, into a mailbox from now on."""
        if not self._token:
            # Another process, or this feed after a sleep, does not know the numbers of this one.
            self._token = secrets.token_hex(6)
        self._readers[mailbox] = robots

    def leave(self, mailbox: Mailbox) -> None:
        """Undo `join`."""
        self._readers.pop(mailbox, None)
        self._left_at = time.monotonic()

    def sleep_unless_read(self) -> bool:
        """Drop everything when the last reader has been gone for a while; tell whether it has."""
        if self._readers or time.monotonic() - self._left_at < _REMEMBERED_SECONDS:
            return False
        self.close()
        self._token = ""
        self._kept.clear()
        self._kept_bytes = 0
        self._pending.clear()
        return True

    def since(self, position: str, robots: frozenset[UUID] | None) -> list[Frame] | None:
        """Return the frames after a position; None where they are no longer known.

        Args:
            position: The id of the last frame that the client got.
            robots: Whose frames; None for all.
        """
        token, _, number = position.rpartition("-")
        if not token or token != self._token or not number.isascii() or not number.isdigit():
            return None
        after = int(number) if len(number) < 19 else -1
        oldest = self._kept[0].number if self._kept else self._number + 1
        if not oldest - 1 <= after <= self._number:
            return None
        return [
            frame
            for frame in self._kept
            if frame.number > after and (robots is None or frame.robot_id in robots)
        ]

    def frame(self, event: Event) -> Frame:
        """Return an event as a frame outside of the series: it has no id to come back to."""
        data = b"data: %b\n\n" % _encode(event)
        return Frame(self._number, event.robot_id, isinstance(event, StatusEvent), data)

    def add(self, event: Event) -> None:
        """Take an event in, unless nobody is there to read it or to come back for it."""
        if not self._token:
            return
        if isinstance(event, StatusEvent):
            self._emit(event)
            return
        points = self._pending.setdefault(event.robot_id, {})
        for point in event.points:
            known = points.get(point.metric_name)
            if known is None or known.time <= point.time:
                points[point.metric_name] = point
        now = asyncio.get_running_loop().time()
        self._wake_at(max(self._allowed_at(event.robot_id), self._sent_at + self._gap), now)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _allowed_at(self, robot_id: UUID) -> float:
        return self._due.get(robot_id, 0.0) - self._interval / 2

    def _wake_at(self, when: float, now: float) -> None:
        if when <= now:
            self._flush()
        elif self._timer is None or when < self._timer.when():
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(when, self._flush)

    def _flush(self) -> None:
        self.close()
        now = self._sent_at = asyncio.get_running_loop().time()
        for robot_id in [robot for robot in self._pending if self._allowed_at(robot) <= now]:
            self._due[robot_id] = max(self._due.get(robot_id, 0.0), now) + self._interval
            points = self._pending.pop(robot_id)
            self._emit(TelemetryEvent(robot_id, list(points.values())))
        if self._pending:
            soonest = min(map(self._allowed_at, self._pending))
            self._wake_at(max(soonest, now + self._gap), now)

    def _emit(self, event: Event) -> None:
        self._number += 1
        data = b"id: %b\ndata: %b\n\n" % (self.position.encode(), _encode(event))
        frame = Frame(self._number, event.robot_id, isinstance(event, StatusEvent), data)
        self._keep(frame)
        for mailbox, robots in self._readers.items():
            if robots is None or frame.robot_id in robots:
                mailbox.put(frame)

    def _keep(self, frame: Frame) -> None:
        self._kept.append(frame)
        self._kept_bytes += len(frame.data)
        while len(self._kept) > _KEPT_FRAMES or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().data)
