"""The robots that wait at this process for a command."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from urfmp.live.http.errors import HttpError

MAX_WAITING = 20_000
# A robot that asks again and again without waiting is slowed down. Polls do not count toward the
# rate limit of the key: a robot that spent it with telemetry must still receive a stop request.
MAX_POLLS_PER_SECOND = 5
_MAX_COUNTED_ROBOTS = 2 * MAX_WAITING
# A robot is authenticated in less time.
_MISSED_SECONDS = 10.0


class Waiter:
    """One poll or stream of a robot.

    Attributes:
        robot_id: Robot that waits.
        organization_id: Organization of the robot.
        key_digest: Digest of the robot's key, for a stream. A poll ends by itself before long.
        is_superseded: Whether a newer poll or stream of the robot has arrived, or the process
            stops. It then ends without a command.
    """

    def __init__(self, organization_id: UUID, robot_id: UUID, key_digest: str | None) -> None:
        """Initialize a waiter that was not woken."""
        self.organization_id = organization_id
        self.robot_id = robot_id
        self.key_digest = key_digest
        self.is_superseded = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or the next one."""
        self._woken.set()

    def supersede(self) -> None:
        """End the poll or stream."""
        self.is_superseded = True
        self._woken.set()

    async def wait(self) -> None:
        """Wait until the waiter is woken."""
        await self._woken.wait()
        self._woken.clear()


class WaitingRobots:
    """Polls and streams that wait at this process, one per robot."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        """Initialize without waiters.

        Args:
            max_waiting: Number of polls and streams that may wait at once.
        """
        self._max_waiting = max_waiting
        self._waiters: dict[UUID, Waiter] = {}
        self._reserved = 0
        # Robots that were woken while they were authenticated.
        self._missed: OrderedDict[UUID, float] = OrderedDict()
        self._polls: OrderedDict[UUID, tuple[float, int]] = OrderedDict()
        self._is_closing = False

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Reserve a place, before the credential is authenticated.

        Raises:
            HttpError: 503 if the process is full or shutting down.
        """
        if self._is_closing or self._reserved >= self._max_waiting:
            raise HttpError(503, "busy", "Too many robots are waiting.", retry_after=2)
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    @contextmanager
    def waiter(
        self, organization_id: UUID, robot_id: UUID, key_digest: str | None = None
    ) -> Iterator[Waiter]:
        """Register a poll or stream; end an older one of the robot.

        A robot that lost its connection connects again before the loss of the old one is noticed.
        A command must not be handed to the old one.

        Args:
            organization_id: Organization of the robot.
            robot_id: Robot that waits.
            key_digest: Digest of the robot's key, for a stream.

        Raises:
            HttpError: 429 if the robot polls too often; 503 if the process is shutting down.
        """
        self._count_poll(robot_id)
        if self._is_closing:
            raise HttpError(503, "busy", "The process is shutting down.", retry_after=1)
        waiter = Waiter(organization_id, robot_id, key_digest)
        if (older := self._waiters.get(robot_id)) is not None:
            older.supersede()
        self._waiters[robot_id] = waiter
        if time.monotonic() - self._missed.pop(robot_id, -math.inf) < _MISSED_SECONDS:
            waiter.wake()
        try:
            yield waiter
        finally:
            if self._waiters.get(robot_id) is waiter:
                del self._waiters[robot_id]

    def _count_poll(self, robot_id: UUID) -> None:
        now = time.monotonic()
        since, count = self._polls.pop(robot_id, (now, 0))
        if now - since >= 1.0:
            since, count = now, 0
        self._polls[robot_id] = since, count + 1
        if len(self._polls) > _MAX_COUNTED_ROBOTS:
            self._polls.popitem(last=False)
        if count >= MAX_POLLS_PER_SECOND:
            detail = f"A robot may poll {MAX_POLLS_PER_SECOND} times a second. Wait for commands."
            raise HttpError(429, "rate_limited", detail, retry_after=1)

    def wake(self, robot_id: UUID) -> None:
        """Wake a robot's poll or stream, or the one that begins next."""
        if (waiter := self._waiters.get(robot_id)) is not None:
            waiter.wake()
            return
        self._missed.pop(robot_id, None)
        self._missed[robot_id] = time.monotonic()
        if len(self._missed) > _MAX_COUNTED_ROBOTS:
            self._missed.popitem(last=False)

    def wake_all(self) -> None:
        """Wake every poll and stream: notifications may have been missed."""
        for waiter in self._waiters.values():
            waiter.wake()

    def organizations(self) -> set[UUID]:
        """Return the organizations of the waiting robots."""
        return {waiter.organization_id for waiter in self._waiters.values()}

    def key_digests(self) -> set[str]:
        """Return the digests of the keys that opened streams."""
        return {waiter.key_digest for waiter in self._waiters.values() if waiter.key_digest}

    def wake_keys(self, key_digests: Collection[str]) -> None:
        """Wake the streams of keys, which then verify their key."""
        for waiter in self._waiters.values():
            if waiter.key_digest in key_digests:
                waiter.wake()

    def close(self) -> None:
        """End all polls and streams, and accept no others."""
        self._is_closing = True
        for waiter in self._waiters.values():
            waiter.supersede()


async def wait_until_woken(waiter: Waiter, disconnect: asyncio.Task[None], seconds: float) -> bool:
    """Wait to be woken, or for a disconnection; return whether woken.

    Args:
        waiter: Waiter of the robot.
        disconnect: Task that ends when the robot disconnects.
        seconds: Maximum time to wait.
    """
    woken = asyncio.create_task(waiter.wait())
    try:
        done, _ = await asyncio.wait(
            {woken, disconnect}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        return woken in done
    finally:
        woken.cancel()
        with suppress(asyncio.CancelledError):
            await woken
