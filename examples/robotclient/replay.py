"""Play a recording back to the platform as if its robot were at work now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from examples.robotclient.client import (
    MAX_POINTS,
    Receipt,
    Refused,
    RobotClient,
    Unavailable,
    rfc3339,
)
from examples.robotclient.recording import Sample, sample_points

T = TypeVar("T")

PROTECTIVE_STOP = "Protective stop"
_LONGEST_SAMPLE = 64
# At a high speed many samples are due within this time; they go out as one request.
_SHORTEST_INTERVAL_SECONDS = 0.2
_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 300.0


@dataclass
class _StatusChange:
    """A change of status and the place of its sample's first point in the batch."""

    index: int
    status: str
    reason: str | None
    time: datetime


@dataclass
class ReplayResult:
    """What a replay sent and what became of it. `refused_status` is part of the receipt."""

    receipt: Receipt = field(default_factory=Receipt)
    status_changes: int = 0
    interrupted: bool = False


class Replay:
    """Streams samples in order, at a pace, through the public API."""

    def __init__(
        self,
        client: RobotClient,
        serial_number: str,
        *,
        shift: timedelta,
        speed: float,
        wait: Callable[[float], object],
        notice: Callable[[str], None] = lambda _: None,
        batch_points: int = MAX_POINTS,
    ) -> None:
        """Prepare a replay.

        Args:
            client: With the robot's own key.
            serial_number: The robot that is played.
            shift: What is added to every time.
            speed: Seconds of the recording per second; 0 is as fast as it goes.
            wait: Sleeps that many seconds; something true ends the replay, as with Event.wait.
            notice: Told when the server is away.
            batch_points: Points in one request at most.
        """
        self._client = client
        self._serial_number = serial_number
        self._shift = shift
        self._speed = speed
        self._wait = wait
        self._notice = notice
        self._room = batch_points - _LONGEST_SAMPLE
        self._points: list[dict[str, Any]] = []
        self._changes: list[_StatusChange] = []
        self._stopped: bool | None = None
        self._sent_at = float("-inf")
        self.result = ReplayResult()

    def run(self, samples: Iterable[Sample], progress: Callable[[int], None]) -> ReplayResult:
        """Send all samples and return what became of them.

        Args:
            samples: In the recording's order.
            progress: Called after each request with the number of points sent so far.

        Raises:
            Refused: The server takes the whole request not, now or later.
            Unavailable: It was away for five minutes and never said for how long.
        """
        origin: datetime | None = None
        began = time.monotonic()
        for sample in samples:
            origin = origin or sample.time
            if self._speed:
                due = began + (sample.time - origin).total_seconds() / self._speed
                if due > time.monotonic():
                    self._send(progress)
                    self._sleep_until(max(due, self._sent_at + _SHORTEST_INTERVAL_SECONDS))
            if len(self._points) > self._room:
                self._send(progress)
            if self.result.interrupted:
                return self.result
            self._take(sample)
        self._send(progress)
        return self.result

    def _take(self, sample: Sample) -> None:
        moment = sample.time + self._shift
        stopped = sample.is_stopped
        if stopped is not None and stopped != self._stopped:
            self._stopped = stopped
            self._changes.append(
                _StatusChange(
                    len(self._points),
                    "stopped" if stopped else "running",
                    PROTECTIVE_STOP if stopped else None,
                    moment,
                )
            )
        self._points += sample_points(sample, rfc3339(moment), self._serial_number)

    def _send(self, progress: Callable[[int], None]) -> None:
        points, self._points = self._points, []
        changes, self._changes = self._changes, []
        if not points or self.result.interrupted:
            return
        receipt = self._persist(lambda: self._client.post_telemetry(points))
        self._sent_at = time.monotonic()
        if receipt is None:
            return
        self.result.receipt += receipt
        # An earlier replay of the same samples stored them in this order, so what was a duplicate
        # stands at the front; the status changes there have been reported then.
        for change in changes:
            if receipt.accepted and change.index >= receipt.duplicate:
                self._report(change)
        total = self.result.receipt
        progress(total.accepted + total.duplicate + len(total.rejected))

    def _report(self, change: _StatusChange) -> None:
        try:
            shown = self._persist(
                lambda: self._client.post_status(
                    change.status, reason=change.reason, time=change.time
                )
            )
        except Refused as error:
            if error.status in {401, 403}:
                raise
            self.result.receipt.refused_status.append(str(error))
            return
        if shown is not None:
            self.result.status_changes += 1

    def _persist(self, attempt: Callable[[], T]) -> T | None:
        """Try until the server takes it; None when the replay was ended meanwhile."""
        silent_since = 0.0
        while not self.result.interrupted:
            try:
                return attempt()
            except Unavailable as error:
                now = time.monotonic()
                if not silent_since:
                    silent_since = now
                    self._notice(f"Waiting: {error}")
                if error.retry_after is None and now - silent_since > _PATIENCE_SECONDS:
                    raise
                pause = _PAUSE_SECONDS if error.retry_after is None else error.retry_after
                self._sleep_until(now + pause)
        return None

    def _sleep_until(self, moment: float) -> None:
        if (remaining := moment - time.monotonic()) > 0 and self._wait(remaining):
            self.result.interrupted = True
