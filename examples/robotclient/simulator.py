"""Simulate a fleet in one process, through the public API alone.

Each robot has its own API key and three threads: one measures, one accepts commands, and one
executes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from examples.robotclient.behaviour import Behaviour, SlotPool, State
from examples.robotclient.client import (
    CommandReceiver,
    Receipt,
    RequestRejected,
    RobotClient,
    ServerUnavailable,
)
from examples.robotclient.execution import CommandedState, CommandExecutor
from examples.robotclient.machines import Arm, Mobile, machine_for

logger = logging.getLogger(__name__)

_SLOW_INTERVAL_SECONDS = 5.0
# A longer step, for example after the machine was suspended, is not simulated in full.
_MAX_STEP_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_REJECTED_PAUSE_SECONDS = 30.0
_MAX_SILENT_ROBOTS = 2


@dataclass
class Counters:
    """Totals of all robots so far."""

    accepted: int = 0
    rejected: int = 0
    silent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, receipt: Receipt) -> None:
        """Add the numbers of a receipt."""
        with self._lock:
            self.accepted += receipt.accepted
            self.rejected += len(receipt.rejected)

    def add_silent(self, change: int) -> None:
        """Add to the number of silent robots."""
        with self._lock:
            self.silent += change


class SimulatedRobot:
    """One robot, which measures and reports until it is stopped."""

    def __init__(
        self,
        serial_number: str,
        client: RobotClient,
        silence_slots: SlotPool,
        counters: Counters,
    ) -> None:
        self.commanded = CommandedState()
        self._serial_number = serial_number
        self._client = client
        self._silence_slots = silence_slots
        self._counters = counters
        self._reported_status: tuple[str, str | None] = ("", None)
        self._has_warned = False
        self._was_silent = False
        self._slow_at = float("-inf")

    def run(self, stop: threading.Event, *, interval_seconds: float, delay_seconds: float) -> None:
        """Run until `stop` is set.

        Args:
            stop: Event that stops the robot at once, unless a request is in progress.
            interval_seconds: Seconds between two samples.
            delay_seconds: Seconds before the first sample, to spread the fleet's requests.
        """
        try:
            machine = self._load_machine(stop)
            if machine is not None and not stop.wait(delay_seconds):
                self._run_loop(machine, stop, interval_seconds)
        finally:
            self._client.close()

    def _run_loop(
        self, machine: Arm | Mobile, stop: threading.Event, interval_seconds: float
    ) -> None:
        behaviour = Behaviour(self._serial_number, machine, self._silence_slots)
        machine.advance(0, behaviour.state.status)
        previous = due = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            elapsed = min(now - previous, _MAX_STEP_SECONDS)
            previous = now
            if (commanded := self.commanded.take()) is not None:
                behaviour.obey(*commanded)
            state = behaviour.step(elapsed)
            if state.has_power:
                machine.advance(elapsed, state.status)
            self._measure(machine, state, now)
            self._deliver(state, stop)
            due = max(due + interval_seconds, time.monotonic())
            if stop.wait(due - time.monotonic()):
                break

    def _load_machine(self, stop: threading.Event) -> Arm | Mobile | None:
        """Create the machine from the platform's data of the robot.

        Returns None if the API key is not accepted or the robot is stopped.
        """
        while not stop.is_set():
            try:
                robot = _first_robot(self._client.get("robots", serial_number=self._serial_number))
                machine = machine_for(
                    self._serial_number, robot.get("configuration") or {}, robot.get("location")
                )
                with suppress(RequestRejected):
                    machine.restore(
                        _latest_values(self._client.get(f"robots/{robot['id']}/telemetry/latest"))
                    )
            except ServerUnavailable:
                stop.wait(max(self._client.pause_seconds, _RETRY_SECONDS))
            except RequestRejected as error:
                logger.error("%s was rejected: %s", self._serial_number, error)  # noqa: TRY400
                return None
            else:
                return machine
        return None

    def _measure(self, machine: Arm | Mobile, state: State, now: float) -> None:
        silent = not (state.has_power and state.has_link)
        if silent != self._was_silent:
            self._was_silent = silent
            self._counters.add_silent(1 if silent else -1)
        if not state.has_power:
            self._reported_status = ("", None)
            return
        measured_at = datetime.now(UTC)
        if state.status != self._reported_status[0]:
            self._reported_status = (state.status, state.reason)
            self._client.change_status(state.status, reason=state.reason, time=measured_at)
        readings = machine.fast_readings()
        if now - self._slow_at >= _SLOW_INTERVAL_SECONDS:
            self._slow_at = now
            readings += machine.slow_readings()
        for name, value, unit in readings:
            self._client.record(name, value, unit=unit, time=measured_at)

    def _deliver(self, state: State, stop: threading.Event) -> None:
        if not (state.has_power and state.has_link):
            return
        try:
            receipt = self._client.flush()
        except RequestRejected as error:
            logger.error("%s was rejected: %s", self._serial_number, error)  # noqa: TRY400
            stop.wait(_REJECTED_PAUSE_SECONDS)
            return
        self._counters.add(receipt)
        problems = [
            rejection["detail"] for rejection in receipt.rejected
        ] + receipt.rejected_statuses
        if problems and not self._has_warned:
            self._has_warned = True
            logger.warning("%s: the server rejected: %s", self._serial_number, problems[0])


class Simulator:
    """The whole fleet."""

    def __init__(
        self,
        url: str,
        keys: Mapping[str, str],
        *,
        rate: float,
        transport: str = "poll",
        buffers: Path | None = None,
    ) -> None:
        """Create the robots; nothing is sent yet.

        Args:
            url: URL of the platform.
            keys: Device keys by serial number.
            rate: Samples per second and robot.
            transport: How robots receive commands, `poll` or `sse`.
            buffers: Folder with a file for each robot, which keeps what is not delivered over
                restarts; None to keep it in memory.

        Raises:
            BufferInUse: Another simulator uses the folder.
            OSError: A file cannot be created.
            ValueError: The URL is not http or https, or the transport is unknown.
        """
        self.counters = Counters()
        self._interval_seconds = 1 / rate
        self._stop = threading.Event()
        silence_slots = SlotPool(_MAX_SILENT_ROBOTS)
        self._robots = [
            SimulatedRobot(
                serial_number,
                RobotClient(url, key, buffer=_buffer_path(buffers, serial_number)),
                silence_slots,
                self.counters,
            )
            for serial_number, key in sorted(keys.items())
        ]
        self._executors = [
            CommandExecutor(
                CommandReceiver(url, key, transport=transport), robot.commanded, serial_number
            )
            for robot, (serial_number, key) in zip(self._robots, sorted(keys.items()), strict=True)
        ]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start all robots, spread over one interval."""
        for number, robot in enumerate(self._robots):
            thread = threading.Thread(
                target=robot.run,
                args=(self._stop,),
                kwargs={
                    "interval_seconds": self._interval_seconds,
                    "delay_seconds": self._interval_seconds * number / len(self._robots),
                },
                # A request that hangs must not keep the process from exiting.
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)
        for executor in self._executors:
            # Not waited for: a poll may last half a minute.
            threading.Thread(target=executor.run, args=(self._stop,), daemon=True).start()

    @property
    def running_count(self) -> int:
        """Number of robots whose threads are running."""
        return sum(thread.is_alive() for thread in self._threads)

    def stop(self, timeout_seconds: float = 0.7) -> None:
        """Stop all robots.

        Args:
            timeout_seconds: Total seconds to wait for requests in progress.
        """
        self._stop.set()
        end = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def _buffer_path(folder: Path | None, serial_number: str) -> Path | None:
    """Return the file of a robot's buffer."""
    return None if folder is None else folder / f"{quote(serial_number, safe='')}.db"


def _first_robot(page: Any) -> dict[str, Any]:
    """Return the first robot of a list response."""
    for row in page.get("results", ()) if isinstance(page, dict) else ():
        found: dict[str, Any] = row
        return found
    raise RequestRejected(404, "not_found", "The API key's robot was not found.")


def _latest_values(answer: Any) -> dict[str, float]:
    """Return the last values by metric."""
    rows = answer.get("values", ()) if isinstance(answer, dict) else ()
    return {
        row["metric_name"]: float(row["value"])
        for row in rows
        if isinstance(row.get("value"), int | float)
    }
