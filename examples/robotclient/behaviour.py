"""Simulate what a robot does next: work, wait, stop, fail, charge, disconnect."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Protocol

from examples.robotclient.machines import CHARGE_AT_PERCENT, CHARGED_PERCENT, Arm, Mobile

# No robot disconnects or fails in the first minutes, so that a new demo shows a working fleet.
GRACE_SECONDS = 600.0
SILENCE_RANGE_SECONDS = (40.0, 120.0)

# Mean seconds between two events.
_MEAN_STOP_INTERVAL_SECONDS = 2400.0
_MEAN_ERROR_INTERVAL_SECONDS = 10_800.0
_MEAN_SILENCE_INTERVAL_SECONDS = 5400.0

_STOPS = (
    "Protective stop: force limit of the tool",
    "Protective stop: safety gate opened",
    "Protective stop: speed limit near a person",
)
_ERRORS = (
    "Gripper lost vacuum",
    "Program halted: part not found",
    "Fieldbus connection lost",
)


@dataclass(frozen=True)
class State:
    """State of a robot.

    Attributes:
        status: Status as defined by the API.
        reason: Reason for the status, if any.
        has_power: If False, nothing is measured and nothing is sent.
        has_link: If False, measurements are queued and delivered once the link is restored.
    """

    status: str
    reason: str | None = None
    has_power: bool = True
    has_link: bool = True


class SlotSource(Protocol):
    """A source of slots that limit how many robots are silent."""

    def acquire(self) -> bool:
        """Acquire a slot without waiting; return whether one was free."""
        ...

    def release(self) -> None:
        """Release an acquired slot."""
        ...


class SlotPool:
    """A fixed number of slots, shared by the threads of several robots."""

    def __init__(self, size: int) -> None:
        self._slots = threading.Semaphore(size)

    def acquire(self) -> bool:
        """Acquire a slot without waiting; return whether one was free."""
        return self._slots.acquire(blocking=False)

    def release(self) -> None:
        """Release an acquired slot."""
        self._slots.release()


class Behaviour:
    """Decides one robot's state step by step.

    The same serial number always gives the same states.
    """

    def __init__(
        self, serial_number: str, machine: Arm | Mobile, silence_slots: SlotSource
    ) -> None:
        self._random = random.Random(f"urfmp:{serial_number}:live")  # noqa: S311 - not a secret
        self._machine = machine
        self._silence_slots = silence_slots
        self._elapsed_seconds = 0.0
        self._silent_seconds = 0.0
        self._is_held = False
        self.state = State("running")
        if self._random.random() < 0.15:
            self.state = State("idle", "Waiting for parts")
        self._seconds_left = self._random.uniform(20, 600)

    def step(self, seconds: float) -> State:
        """Advance the time and return the new state."""
        self._elapsed_seconds += seconds
        if self._silent_seconds > 0:
            self._silent_seconds -= seconds
            if self._silent_seconds <= 0:
                self._silence_slots.release()
                reason = None if self.state.has_power else "Started after a loss of power"
                self.state = State(self.state.status, reason)
            return self.state
        self._seconds_left -= seconds
        if not self._is_held:
            self._update_state(seconds)
        if self._elapsed_seconds > GRACE_SECONDS and self._occurs(
            seconds, _MEAN_SILENCE_INTERVAL_SECONDS
        ):
            self._fall_silent()
        return self.state

    def obey(self, status: str, reason: str | None) -> None:
        """Change to a status that a command asked for.

        A robot that was stopped by a request stays so until it is reset. Others stay as they are
        for a while, and then go on by themselves.
        """
        self._is_held = status == "emergency_stop"
        self._enter(status, reason, 60, 300)

    def _update_state(self, seconds: float) -> None:
        machine = self._machine
        if isinstance(machine, Mobile):
            if self.state.status == "charging":
                if machine.battery_percent >= CHARGED_PERCENT:
                    self._resume()
                return
            if machine.battery_percent <= CHARGE_AT_PERCENT:
                self.state = State("charging", "Battery low")
                return
        if self.state.status == "running":
            if self._occurs(seconds, _MEAN_STOP_INTERVAL_SECONDS):
                self._enter("stopped", self._random.choice(_STOPS), 15, 60)
                return
            if self._elapsed_seconds > GRACE_SECONDS and self._occurs(
                seconds, _MEAN_ERROR_INTERVAL_SECONDS
            ):
                self._enter("error", self._random.choice(_ERRORS), 60, 180)
                return
        if self._seconds_left <= 0:
            if self.state.status == "running":
                self._enter("idle", "Waiting for parts", 20, 80)
            else:
                self._resume()

    def _resume(self) -> None:
        self._enter("running", None, 240, 1080)

    def _enter(
        self, status: str, reason: str | None, min_seconds: float, max_seconds: float
    ) -> None:
        self.state = State(status, reason)
        self._seconds_left = self._random.uniform(min_seconds, max_seconds)

    def _fall_silent(self) -> None:
        has_power = self._random.random() < 0.5
        duration = self._random.uniform(*SILENCE_RANGE_SECONDS)
        if self._silence_slots.acquire():
            self._silent_seconds = duration
            self.state = State(self.state.status, None, has_power=has_power, has_link=False)

    def _occurs(self, seconds: float, mean_seconds: float) -> bool:
        return self._random.random() < seconds / mean_seconds
