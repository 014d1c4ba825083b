"""Replay a recording to the platform as live data of one robot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from examples.robotclient.client import (
    MAX_POINTS,
    Receipt,
    RequestRejected,
    RobotClient,
    ServerUnavailable,
    rfc3339,
)
from examples.robotclient.recording import Sample, sample_points

T = TypeVar("T")

PROTECTIVE_STOP = "Protective stop"
_MAX_SAMPLE_POINTS = 64
# At a high speed many samples are due within this interval; they are sent as one request.
_MIN_INTERVAL_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_MAX_OUTAGE_SECONDS = 300.0


@dataclass
class _StatusChange:
    """A status change within a batch.

    Attributes:
        index: Index of its sample's first point in the batch.
        status: New status.
        reason: Reason of a protective stop.
        time: Time of the sample.
    """

    index: int
    status: str
    reason: str | None
    time: datetime


@dataclass
class ReplayResult:
    """Result of a replay. Rejected status changes are part of the receipt."""

    receipt: Receipt = field(default_factory=Receipt)
    status_changes: int = 0
    interrupted: bool = False


class Replay:
    """Streams samples in order, at a given speed, through the public API."""

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
        """Create a replay.

        Args:
            client: Client with the robot's own API key.
            serial_number: Serial number of the replayed robot.
            shift: Offset added to every time.
            speed: Seconds of the recording per second; 0 means as fast as possible.
            wait: Sleeps for the given seconds; a true result stops the replay, as with Event.wait.
            notice: Called with a message when the server is unavailable.
            batch_points: Maximum number of points in one request.
        """
        self._client = client
        self._serial_number = serial_number
        self._shift = shift
        self._speed = speed
        self._wait = wait
        self._notice = notice
        self._max_buffered_points = batch_points - _MAX_SAMPLE_POINTS
        self._points: list[dict[str, Any]] = []
        self._changes: list[_StatusChange] = []
        self._stopped: bool | None = None
        self._sent_at = float("-inf")
        self.result = ReplayResult()

    def run(self, samples: Iterable[Sample], progress: Callable[[int], None]) -> ReplayResult:
        """Send all samples and return the result.

        Args:
            samples: Samples in the recording's order.
            progress: Called after each request with the number of points sent so far.

        Raises:
            RequestRejected: The server rejected a whole request.
            ServerUnavailable: The server was unavailable for five minutes and sent no Retry-After.
        """
        origin: datetime | None = None
        began = time.monotonic()
        for sample in samples:
            origin = origin or sample.time
            if self._speed:
                due = began + (sample.time - origin).total_seconds() / self._speed
                if due > time.monotonic():
                    self._send(progress)
                    self._sleep_until(max(due, self._sent_at + _MIN_INTERVAL_SECONDS))
            if len(self._points) > self._max_buffered_points:
                self._send(progress)
            if self.result.interrupted:
                return self.result
            self._buffer(sample)
        self._send(progress)
        return self.result

    def _buffer(self, sample: Sample) -> None:
        time = sample.time + self._shift
        stopped = sample.is_stopped
        if stopped is not None and stopped != self._stopped:
            self._stopped = stopped
            self._changes.append(
                _StatusChange(
                    len(self._points),
                    "stopped" if stopped else "running",
                    PROTECTIVE_STOP if stopped else None,
                    time,
                )
            )
        self._points += sample_points(sample, rfc3339(time), self._serial_number)

    def _send(self, progress: Callable[[int], None]) -> None:
        points, self._points = self._points, []
        changes, self._changes = self._changes, []
        if not points or self.result.interrupted:
            return
        receipt = self._retry(lambda: self._client.post_telemetry(points))
        self._sent_at = time.monotonic()
        if receipt is None:
            return
        self.result.receipt += receipt
        # An earlier replay of the same samples stored them in this order, so its points are the
        # duplicates at the front. Their status changes were reported then.
        for change in changes:
            if receipt.accepted and change.index >= receipt.duplicate:
                self._report(change)
        total = self.result.receipt
        progress(total.accepted + total.duplicate + len(total.rejected))

    def _report(self, change: _StatusChange) -> None:
        try:
            shown = self._retry(
                lambda: self._client.post_status(
                    change.status, reason=change.reason, time=change.time
                )
            )
        except RequestRejected as error:
            if error.status in {401, 403}:
                raise
            self.result.receipt.rejected_statuses.append(str(error))
            return
        if shown is not None:
            self.result.status_changes += 1

    def _retry(self, attempt: Callable[[], T]) -> T | None:
        """Retry until the server accepts the request; return None if interrupted."""
        silent_since = 0.0
        while not self.result.interrupted:
            try:
                return attempt()
            except ServerUnavailable as error:
                now = time.monotonic()
                if not silent_since:
                    silent_since = now
                    self._notice(f"Waiting: {error}")
                if error.retry_after is None and now - silent_since > _MAX_OUTAGE_SECONDS:
                    raise
                pause = _RETRY_SECONDS if error.retry_after is None else error.retry_after
                self._sleep_until(now + pause)
        return None

    def _sleep_until(self, deadline: float) -> None:
        if (remaining := deadline - time.monotonic()) > 0 and self._wait(remaining):
            self.result.interrupted = True
