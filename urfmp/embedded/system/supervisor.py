"""Supervised processes: logged, restarted after a crash, stopped with the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from urfmp.embedded.system.files import make_folder, tail, write_atomically
from urfmp.embedded.system.output import log_message
from urfmp.embedded.system.processes import die_with_parent

_MAX_LOG_BYTES = 5_000_000
_KEPT_LOG_BYTES = 1_000_000
_EARLY_EXIT_SECONDS = 10.0
_STABLE_AFTER_SECONDS = 60.0
_MAX_BACKOFF_SECONDS = 30.0


@dataclass(slots=True)
class SupervisedProcess:
    """One process of the demo.

    Attributes:
        name: Name shown in messages and used for the log file.
        command: Program and arguments.
        environment: The complete environment.
        log: Log file; emptied by `start`, continued across restarts.
        stop_timeout_seconds: Seconds that the process has to exit after SIGTERM.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    cwd: Path
    log: Path
    stop_timeout_seconds: float = 2.0
    process: subprocess.Popen[bytes] | None = None
    _failures: int = 0
    _started: float = 0.0
    _restart_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the process with an empty log."""
        make_folder(self.log.parent, 0o700)
        self.log.unlink(missing_ok=True)
        self._spawn()

    def restart_if_exited(self) -> None:
        """Restart the process if it has exited.

        The first restart is immediate; repeated failures are delayed by an increasing backoff.
        """
        if self.process and (code := self.process.poll()) is not None:
            self.process = None
            self._schedule_restart(code)
        if self.process is None and time.monotonic() >= self._restart_at:
            self._spawn()
        self._limit_log()

    def has_exited(self) -> bool:
        """Return whether the process has exited and has not been restarted."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Send SIGTERM; kill the process group after the timeout."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self.stop_timeout_seconds)
        except subprocess.TimeoutExpired:
            log_message(f"{self.name} did not stop in time; killing it")
        _kill_group(process.pid)
        process.wait()

    def _spawn(self) -> None:
        self._started = time.monotonic()
        with self.log.open("ab") as output:
            self.process = spawn(self.command, self.environment, self.cwd, output.fileno())

    def _schedule_restart(self, code: int) -> None:
        uptime = time.monotonic() - self._started
        self._failures = 1 if uptime > _STABLE_AFTER_SECONDS else self._failures + 1
        delay = min(2.0 ** (self._failures - 1) - 1, _MAX_BACKOFF_SECONDS)
        self._restart_at = time.monotonic() + delay
        when = f"in {delay:.0f} s" if delay else "now"
        log_message(f"{self.name} exited ({describe_exit(code)}); restarting {when}")
        if uptime < _EARLY_EXIT_SECONDS:
            log_message(f"end of its log ({self.log}):\n{tail(self.log)}")

    def _limit_log(self) -> None:
        # The process has the log open for appending, so it continues at the start of the emptied
        # file.
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
            with self.log.open("rb") as file:
                file.seek(-_KEPT_LOG_BYTES, os.SEEK_END)
                kept = file.read().decode(errors="replace")
            write_atomically(self.log.with_suffix(".log.1"), kept)
            os.truncate(self.log, 0)


def spawn(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, output: int
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, tied to this process.

    The session keeps a terminal's Ctrl-C away from it. It ends if this process is killed.
    """
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
        # This process has one thread, so running Python between fork and exec is safe.
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )


def run_step(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    log: Path,
    on_wait: Callable[[], None],
) -> int:
    """Run a process to its end and return its exit code.

    Args:
        command: Program and arguments.
        environment: The complete environment.
        cwd: Working directory.
        log: File for the process's output.
        on_wait: Called several times a second while the process runs.
    """
    make_folder(log.parent, 0o700)
    with log.open("wb") as output:
        process = spawn(command, environment, cwd, output.fileno())
        try:
            while True:
                try:
                    return process.wait(0.2)
                except subprocess.TimeoutExpired:
                    on_wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                _kill_group(process.pid)
                process.wait()
            raise


def describe_exit(code: int) -> str:
    """Return a description of how a process exited."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
