"""Execute commands on a simulated robot."""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from examples.robotclient.client import (
    Command,
    CommandReceiver,
    RequestRejected,
    ServerUnavailable,
)

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_MAX_RESULT_ATTEMPTS = 120
_REJECTED_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Effect:
    """A command's effect on the robot.

    Attributes:
        seconds: Time that the command takes.
        step: Text of its progress.
        status: Status afterwards; None if the command does not change it.
    """

    seconds: float
    step: str
    status: str | None = None


_EFFECTS: Mapping[str, Effect] = {
    "start": Effect(2.0, "Starting", "running"),
    "resume": Effect(1.0, "Resuming", "running"),
    "pause": Effect(0.5, "Pausing", "idle"),
    "stop": Effect(1.0, "Ending the program", "idle"),
    "emergency_stop": Effect(0.0, "Stopping", "emergency_stop"),
    "reset": Effect(1.0, "Resetting", "idle"),
    "move_to_position": Effect(4.0, "Moving"),
    "run_program": Effect(3.0, "Running the program", "running"),
    "load_program": Effect(1.5, "Loading the program"),
    "set_speed": Effect(0.2, "Setting the speed"),
    "calibrate": Effect(6.0, "Calibrating"),
    "update_firmware": Effect(15.0, "Installing the firmware"),
    "custom": Effect(1.0, "Executing"),
}
# Commands that end the one which is being executed.
_INTERRUPTING_TYPES = frozenset({"emergency_stop", "stop", "pause"})
_IDLE_SECONDS = 0.2
_REASONS = {
    "emergency_stop": "Stop request from the platform",
    "idle": "Command from the platform",
    "running": None,
}


class CommandedState:
    """The status that the last command asked for.

    The thread that executes sets it, and the thread that measures takes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status: str | None = None

    def set(self, status: str) -> None:
        """Ask for a status."""
        with self._lock:
            self._status = status

    def take(self) -> tuple[str, str | None] | None:
        """Return the status to change to, with its reason, once."""
        with self._lock:
            status, self._status = self._status, None
        return None if status is None else (status, _REASONS.get(status))


class CommandExecutor:
    """One robot's commands: one thread accepts them, another one executes them.

    A stop request arrives while another command is executed, and ends it.
    """

    def __init__(self, receiver: CommandReceiver, commanded: CommandedState, seed: str) -> None:
        """Create an executor.

        Args:
            receiver: Connection to the server.
            commanded: Receives the status of each command.
            seed: Decides how much the durations vary.
        """
        self._receiver = receiver
        self._commanded = commanded
        self._random = random.Random(f"urfmp:{seed}:commands")  # noqa: S311 - not a secret
        self._accepted: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._is_interrupted = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Accept and execute commands until `stop` is set."""
        worker = threading.Thread(target=self._execute_accepted, args=(stop,), daemon=True)
        worker.start()
        try:
            while not stop.is_set():
                if (command := self._next_command(stop)) is None:
                    continue
                if command.type in _INTERRUPTING_TYPES:
                    self._is_interrupted.set()
                self._accepted.put(command)
        finally:
            worker.join()
            self._receiver.close()

    def _next_command(self, stop: threading.Event) -> Command | None:
        """Return the next command, accepted; None if there is none to execute."""
        try:
            command = self._receiver.next()
            if command is None or self._receiver.has_accepted(command):
                return None
            if self._receiver.accept(command):
                return command
        except ServerUnavailable as error:
            stop.wait(error.retry_after or self._random.uniform(1, 2) * _RETRY_SECONDS)
        except RequestRejected as error:
            logger.debug("Commands were rejected: %s", error)
            stop.wait(_REJECTED_PAUSE_SECONDS)
        else:
            message = "The robot could not acknowledge the command in time."
            self._report_result(command, stop, "rejected", error_message=message)
        return None

    def _execute_accepted(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                command = self._accepted.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                continue
            if command.type in _INTERRUPTING_TYPES:
                self._is_interrupted.clear()
            if command.is_expired:
                message = "Another command was executed until this one expired."
                self._report_result(command, stop, "rejected", error_message=message)
            else:
                self._execute(command, stop)

    def _execute(self, command: Command, stop: threading.Event) -> None:
        effect = _EFFECTS.get(command.type)
        if effect is None:
            message = f"This robot does not know the command {command.type}."
            self._report_result(command, stop, "rejected", error_message=message)
            return
        seconds = effect.seconds * self._random.uniform(0.8, 1.2)
        steps = max(1, round(seconds))
        for number in range(steps):
            with suppress(ServerUnavailable, RequestRejected):
                self._receiver.report_progress(command, 100 * number // steps, effect.step)
            is_interrupted = self._is_interrupted.wait(seconds / steps)
            if stop.is_set():
                return  # the robot loses power: the platform learns no outcome
            if is_interrupted:
                message = "A command to stop interrupted it."
                self._report_result(command, stop, "failed", error_message=message)
                return
        if effect.status is not None:
            self._commanded.set(effect.status)
        self._report_result(command, stop, "completed", output={"seconds": round(seconds, 2)})

    def _report_result(
        self, command: Command, stop: threading.Event, outcome: str, **details: Any
    ) -> None:
        for _ in range(_MAX_RESULT_ATTEMPTS):
            try:
                self._receiver.report_result(command, outcome, **details)
            except ServerUnavailable as error:
                if stop.wait(error.retry_after or _RETRY_SECONDS):
                    return
            except RequestRejected as error:
                logger.warning("The result of a command was rejected: %s", error)
                return
            else:
                return
