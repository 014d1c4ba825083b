"""Processes that end with us: each with a log, started again when it crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from urfmp.embedded.system.files import make_folder, tail, write_atomically
from urfmp.embedded.system.output import say
from urfmp.embedded.system.processes import end_with_parent

_LOG_LIMIT = 20_000_000
_LOG_KEPT = 1_000_000
_QUICK_DEATH = 10.0
_STEADY = 60.0
_LONGEST_PAUSE = 30.0


@dataclass(slots=True)
class Child:
    """One process of the demo.

    Attributes:
        name: As shown, and the name of its log.
        command: What to run.
        environment: All of its variables.
        log: Begun anew by `start`, continued over restarts.
        patience: Seconds that it has to end by itself when it is stopped.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    cwd: Path
    log: Path
    patience: float = 2.0
    process: subprocess.Popen[bytes] | None = None
    _deaths: int = 0
    _started: float = 0.0
    _again_at: float = field(default=0.0)

    def start(self) -> None:
        """Start it with an empty log."""
        make_folder(self.log.parent, 0o700)
        self.log.unlink(missing_ok=True)
        self._spawn()

    def watch(self) -> None:
        """Start it again if it ended: at once the first time, then after ever longer pauses."""
        if self.process and (code := self.process.poll()) is not None:
            self.process = None
            self._plan_restart(code)
        if self.process is None and time.monotonic() >= self._again_at:
            self._spawn()
        self._limit_log()

    def died(self) -> bool:
        """Tell whether it has ended and not been started again."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Ask it to end, and end what is left of it when its patience is over."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self.patience)
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not stop, so it is killed")
        _kill_group(process.pid)
        process.wait()

    def _spawn(self) -> None:
        self._started = time.monotonic()
        with self.log.open("ab") as output:
            self.process = spawn(self.command, self.environment, self.cwd, output.fileno())

    def _plan_restart(self, code: int) -> None:
        lived = time.monotonic() - self._started
        self._deaths = 1 if lived > _STEADY else self._deaths + 1
        pause = min(2.0 ** (self._deaths - 1) - 1, _LONGEST_PAUSE)
        self._again_at = time.monotonic() + pause
        when = f"in {pause:.0f} s" if pause else "now"
        say(f"{self.name} ended ({describe_exit(code)}); it is started again {when}")
        if lived < _QUICK_DEATH:
            say(f"the end of its log ({self.log}):\n{tail(self.log)}")

    def _limit_log(self) -> None:
        # It is open for appending, so what is written next begins the emptied file.
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            with self.log.open("rb") as file:
                file.seek(-_LOG_KEPT, os.SEEK_END)
                kept = file.read().decode(errors="replace")
            write_atomically(self.log.with_suffix(".log.1"), kept)
            os.truncate(self.log, 0)


def spawn(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int
) -> subprocess.Popen[bytes]:
    """Start a process that a terminal's Ctrl-C does not reach and that ends when we are killed."""
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
        # We have one thread, so running Python between fork and exec is safe.
        preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )


def run_step(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    log: Path,
    waiting: Callable[[], None],
) -> int:
    """Run a process to its end, calling `waiting` several times a second; return its exit code."""
    make_folder(log.parent, 0o700)
    with log.open("wb") as output:
        process = spawn(command, environment, cwd, output.fileno())
        try:
            while True:
                try:
                    return process.wait(0.2)
                except subprocess.TimeoutExpired:
                    waiting()
        except BaseException:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                _kill_group(process.pid)
                process.wait()
            raise


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
