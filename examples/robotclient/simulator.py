"""A fleet in one process: each robot a thread with its own key, speaking the public API alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from examples.robotclient.behaviour import Behaviour, Places, State
from examples.robotclient.client import Receipt, Refused, RobotClient, Unavailable
from examples.robotclient.machines import Arm, Mobile, machine_for

logger = logging.getLogger(__name__)

_SLOW_EVERY_SECONDS = 5.0
# A step that took longer, as after a suspended laptop, is not caught up with.
_LONGEST_STEP_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 2.0
_REFUSED_PAUSE_SECONDS = 30.0
_SILENT_AT_ONCE = 2


@dataclass
class Tally:
    """What all robots together have done so far."""

    accepted: int = 0
    rejected: int = 0
    silent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, receipt: Receipt) -> None:
        """Count what became of points."""
        with self._lock:
            self.accepted += receipt.accepted
            self.rejected += len(receipt.rejected)

    def silence(self, change: int) -> None:
        """Count robots that are silent."""
        with self._lock:
            self.silent += change


class SimulatedRobot:
    """One robot: asks the platform what it is, then measures and reports until it is stopped."""

    def __init__(
        self, serial_number: str, client: RobotClient, silence: Places, tally: Tally
    ) -> None:
        self._serial_number = serial_number
        self._client = client
        self._silence = silence
        self._tally = tally
        self._told: tuple[str, str | None] = ("", None)
        self._warned = False
        self._was_silent = False
        self._slow_at = float("-inf")

    def run(self, stop: threading.Event, *, interval: float, delay: float) -> None:
        """Go on until `stop` is set.

        Args:
            stop: Ends the robot within an instant, unless a request is under way.
            interval: Seconds from one sample to the next.
            delay: Seconds before the first, so that the fleet does not speak in one voice.
        """
        try:
            machine = self._introduce(stop)
            if machine is not None and not stop.wait(delay):
                self._work(machine, stop, interval)
        finally:
            self._client.close()

    def _work(self, machine: Arm | Mobile, stop: threading.Event, interval: float) -> None:
        behaviour = Behaviour(self._serial_number, machine, self._silence)
        machine.advance(0, behaviour.state.status)
        before = due = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            elapsed = min(now - before, _LONGEST_STEP_SECONDS)
            before = now
            state = behaviour.step(elapsed)
            if state.has_power:
                machine.advance(elapsed, state.status)
            self._measure(machine, state, now)
            self._deliver(state, stop)
            due = max(due + interval, time.monotonic())
            if stop.wait(due - time.monotonic()):
                break

    def _introduce(self, stop: threading.Event) -> Arm | Mobile | None:
        """Ask what the platform knows of it; None when the key does not fit, or at the end."""
        while not stop.is_set():
            try:
                robot = _first(self._client.get("robots", serial_number=self._serial_number))
                machine = machine_for(
                    self._serial_number, robot.get("configuration") or {}, robot.get("location")
                )
                with suppress(Refused):
                    machine.restore(
                        _latest(self._client.get(f"robots/{robot['id']}/telemetry/latest"))
                    )
            except Unavailable:
                stop.wait(max(self._client.pause_seconds, _ASK_AGAIN_SECONDS))
            except Refused as error:
                logger.error("%s is refused: %s", self._serial_number, error)  # noqa: TRY400
                return None
            else:
                return machine
        return None

    def _measure(self, machine: Arm | Mobile, state: State, now: float) -> None:
        silent = not (state.has_power and state.has_link)
        if silent != self._was_silent:
            self._was_silent = silent
            self._tally.silence(1 if silent else -1)
        if not state.has_power:
            self._told = ("", None)
            return
        moment = datetime.now(UTC)
        if state.status != self._told[0]:
            self._told = (state.status, state.reason)
            self._client.change_status(state.status, reason=state.reason, time=moment)
        readings = machine.fast()
        if now - self._slow_at >= _SLOW_EVERY_SECONDS:
            self._slow_at = now
            readings += machine.slow()
        for name, value, unit in readings:
            self._client.record(name, value, unit=unit, time=moment)

    def _deliver(self, state: State, stop: threading.Event) -> None:
        if not (state.has_power and state.has_link):
            return
        try:
            receipt = self._client.flush()
        except Refused as error:
            logger.error("%s is refused: %s", self._serial_number, error)  # noqa: TRY400
            stop.wait(_REFUSED_PAUSE_SECONDS)
            return
        self._tally.add(receipt)
        faults = [rejection["detail"] for rejection in receipt.rejected] + receipt.refused_status
        if faults and not self._warned:
            self._warned = True
            logger.warning("%s: the server did not take: %s", self._serial_number, faults[0])


class Simulator:
    """The whole fleet."""

    def __init__(self, url: str, keys: Mapping[str, str], *, rate: float) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: Where the platform is.
            keys: Device keys by serial number.
            rate: Samples a second and robot.

        Raises:
            ValueError: The address is none.
        """
        self.tally = Tally()
        self._interval = 1 / rate
        self._stop = threading.Event()
        silence = Places(_SILENT_AT_ONCE)
        self._robots = [
            SimulatedRobot(serial_number, RobotClient(url, key), silence, self.tally)
            for serial_number, key in sorted(keys.items())
        ]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start all robots, spread over one interval."""
        for number, robot in enumerate(self._robots):
            thread = threading.Thread(
                target=robot.run,
                args=(self._stop,),
                kwargs={
                    "interval": self._interval,
                    "delay": self._interval * number / len(self._robots),
                },
                # A request that hangs must not keep the process from ending.
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    @property
    def alive(self) -> int:
        """How many robots have not been refused."""
        return sum(thread.is_alive() for thread in self._threads)

    def stop(self, within: float = 0.7) -> None:
        """End all robots; those with a request under way get that many seconds altogether."""
        self._stop.set()
        end = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def _first(page: Any) -> dict[str, Any]:
    """Return the one robot of a list's page."""
    for row in page.get("results", ()) if isinstance(page, dict) else ():
        found: dict[str, Any] = row
        return found
    raise Refused(404, "not_found", "The key's robot is not there.")


def _latest(answer: Any) -> dict[str, float]:
    """Return the last values by metric."""
    rows = answer.get("values", ()) if isinstance(answer, dict) else ()
    return {
        row["metric_name"]: float(row["value"])
        for row in rows
        if isinstance(row.get("value"), int | float)
    }
