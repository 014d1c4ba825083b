"""The web process under test, started as in docker-compose.yml."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running web process with its workers."""

    host: str
    port: int
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()]

    def resident_bytes(self) -> int:
        """Return the resident memory of all workers together."""
        return sum(_resident_bytes(pid) for pid in self.pids())


def _resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def production_command() -> list[str]:
    """Return the web service's command of docker-compose.yml without `--bind`."""
    command: list[str] = _production()["command"]
    return [part for part in command if not part.startswith("--bind")]


def _production() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    web: dict[str, Any] = compose["services"]["web"]
    return web


@contextmanager
def serving(workers: int) -> Iterator[Server]:
    """Run gunicorn on a free port for the duration of a block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*production_command(), f"--workers={workers}", f"--bind=127.0.0.1:{port}"]
    # Pages are not measured, but the folder of static files must exist.
    static = tempfile.TemporaryDirectory(prefix="bench-")
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--log-level=error"],
        cwd=ROOT,
        env={
            **os.environ,
            "STATIC_ROOT": static.name,
            "MALLOC_ARENA_MAX": _production()["environment"]["MALLOC_ARENA_MAX"],
        },
    )
    try:
        _wait(process, port)
        yield Server("127.0.0.1", port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        static.cleanup()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            msg = "gunicorn does not start"
            raise RuntimeError(msg)
        time.sleep(0.1)
