"""What a robot at work does next: runs, waits, stops, fails, charges, falls silent."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Protocol

from examples.robotclient.machines import CHARGE_AT_PERCENT, CHARGED_PERCENT, Arm, Mobile

# Nothing falls silent or fails in the first minutes, so that whoever starts the demo sees it alive.
GRACE_SECONDS = 600.0
SILENT_SECONDS = (40.0, 120.0)

# Mean seconds from one to the next.
_STOP_EVERY = 2400.0
_ERROR_EVERY = 10_800.0
_SILENT_EVERY = 5400.0

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
    """What a robot is doing.

    Attributes:
        status: As the API takes it.
        reason: Why, where there is a reason.
        has_power: False: nothing is measured and nothing is sent.
        has_link: False: it measures on and delivers it when the link is back.
    """

    status: str
    reason: str | None = None
    has_power: bool = True
    has_link: bool = True


class Permission(Protocol):
    """Somebody who limits how many robots may be silent at once."""

    def take(self) -> bool:
        """Take a place, if there is one."""
        ...

    def give_back(self) -> None:
        """Return the place."""
        ...


class Places:
    """A number of places for which robots of several threads ask."""

    def __init__(self, number: int) -> None:
        self._places = threading.Semaphore(number)

    def take(self) -> bool:
        """Take a place, if there is one."""
        return self._places.acquire(blocking=False)

    def give_back(self) -> None:
        """Return the place."""
        self._places.release()


class Behaviour:
    """Decides one robot's state from step to step; by serial number always the same way."""

    def __init__(self, serial_number: str, machine: Arm | Mobile, silence: Permission) -> None:
        self._chance = random.Random(f"urfmp:{serial_number}:live")  # noqa: S311 - not a secret
        self._machine = machine
        self._silence = silence
        self._elapsed = 0.0
        self._silent_for = 0.0
        self.state = State("running")
        if self._chance.random() < 0.15:
            self.state = State("idle", "Waiting for parts")
        self._left = self._chance.uniform(20, 600)

    def step(self, seconds: float) -> State:
        """Let time pass and return the state after it."""
        self._elapsed += seconds
        if self._silent_for > 0:
            self._silent_for -= seconds
            if self._silent_for <= 0:
                self._silence.give_back()
                reason = None if self.state.has_power else "Started after a loss of power"
                self.state = State(self.state.status, reason)
            return self.state
        self._left -= seconds
        self._work(seconds)
        if self._elapsed > GRACE_SECONDS and self._happens(seconds, _SILENT_EVERY):
            self._fall_silent()
        return self.state

    def _work(self, seconds: float) -> None:
        machine = self._machine
        if isinstance(machine, Mobile):
            if self.state.status == "charging":
                if machine.battery_percent >= CHARGED_PERCENT:
                    self._run()
                return
            if machine.battery_percent <= CHARGE_AT_PERCENT:
                self.state = State("charging", "Battery low")
                return
        if self.state.status == "running":
            if self._happens(seconds, _STOP_EVERY):
                self._enter("stopped", self._chance.choice(_STOPS), 15, 60)
                return
            if self._elapsed > GRACE_SECONDS and self._happens(seconds, _ERROR_EVERY):
                self._enter("error", self._chance.choice(_ERRORS), 60, 180)
                return
        if self._left <= 0:
            if self.state.status == "running":
                self._enter("idle", "Waiting for parts", 20, 80)
            else:
                self._run()

    def _run(self) -> None:
        self._enter("running", None, 240, 1080)

    def _enter(self, status: str, reason: str | None, least: float, most: float) -> None:
        self.state = State(status, reason)
        self._left = self._chance.uniform(least, most)

    def _fall_silent(self) -> None:
        has_power = self._chance.random() < 0.5
        lasts = self._chance.uniform(*SILENT_SECONDS)
        if self._silence.take():
            self._silent_for = lasts
            self.state = State(self.state.status, None, has_power=has_power, has_link=False)

    def _happens(self, seconds: float, mean_seconds: float) -> bool:
        return self._chance.random() < seconds / mean_seconds
