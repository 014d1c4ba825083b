"""Concurrent senders, a process killer, and the comparison of sent and stored points."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from tests.support.server import ROOT, Server, embedded
from urfmp.embedded.system.processes import processes_in

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TARGETS = ("web", "database", "worker", "one web worker")
LIVE_TARGETS = ("live", "web", "worker", "one web worker")


@dataclass(frozen=True)
class Findings:
    """Differences between stored points and sent or acknowledged points."""

    acknowledged: int
    missing: int
    duplicated: int
    wrong: int
    unsent: int

    @property
    def differences(self) -> dict[str, int]:
        counts = {
            name: getattr(self, name) for name in ("missing", "duplicated", "wrong", "unsent")
        }
        return {name: count for name, count in counts.items() if count}


class Sender(threading.Thread):
    """Sends a stream in shuffled, overlapping batches, each until acknowledged.

    Two senders of one stream send the same points at the same time.
    """

    def __init__(self, server: Server, stream: str, start: datetime, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.stream, self.start_time = server, stream, start
        self.random = random.Random(seed)
        self.stop_requested = threading.Event()
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.answers: Counter[int] = Counter()
        self.rejections: list[bytes] = []

    def value(self, number: int) -> float:
        return number * 31 % 1009 + 0.5

    def run(self) -> None:
        while not self.stop_requested.is_set():
            first = max(self.sent - self.random.randrange(20), 0)
            numbers = list(range(first, self.sent + self.random.randrange(1, 60)))
            self.sent = numbers[-1] + 1
            self.random.shuffle(numbers)
            self.send(numbers)

    def send(self, numbers: list[int]) -> None:
        points = [
            {
                "metric_name": self.stream,
                "time": (self.start_time + timedelta(milliseconds=number)).isoformat(),
                "value": self.value(number),
            }
            for number in numbers
        ]
        body = json.dumps({"points": points})
        headers = {"X-API-Key": self.server.key, "Content-Type": "application/json"}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status, answer = 0, b""
            connection = http.client.HTTPConnection(
                self.server.url.removeprefix("http://"), timeout=20
            )
            # A kill can happen at any time: the socket of a broken request is closed too.
            with suppress(OSError, http.client.HTTPException), closing(connection):
                connection.request("POST", "/api/v1/telemetry", body, headers)
                response = connection.getresponse()
                status, answer = response.status, response.read()
            self.answers[status] += 1
            if status == 200:
                if json.loads(answer)["rejected"]:
                    self.rejections.append(answer)
                self.acknowledged.update(numbers)
                return
            if status not in {0, 429, 503}:
                self.rejections.append(answer)
                return
            time.sleep(0.05 + self.random.random() / 10)


class Crashes:
    """Kills the processes of an installation and restarts them."""

    def __init__(self, server: Server, seed: int, targets: tuple[str, ...] = TARGETS) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.targets = targets
        self.killed: Counter[str] = Counter()
        self.commands = [process.args[2:] for process in server.processes]
        self.worker = self._start_worker()

    def _start_worker(self) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "run_worker"],
            cwd=ROOT,
            env=self.server.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def web_workers(self) -> list[int]:
        pid = self.server.processes[0].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def kill(self, target: str) -> None:
        """Kill a process with SIGKILL and restart it unless its parent does."""
        if target == "web":
            pids = [self.server.processes[0].pid, *self.web_workers()]
        elif target == "database":
            pids = processes_in(self.server.state / "postgres" / "data")
        elif target == "worker":
            pids = [self.worker.pid]
        elif target == "live":
            pids = [self.server.processes[1].pid]
        else:
            pids = self.web_workers()[:1]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.killed[target] += bool(pids)
        if target in {"web", "live"}:
            number = ("web", "live").index(target)
            self.server.processes[number].wait(60)
            self.server.processes[number] = self.server._start(*self.commands[number])
        elif target == "database":
            embedded("up", self.server.state)
        elif target == "worker":
            self.worker.wait(60)
            self.worker = self._start_worker()

    def run(self, kills: int, first: int = 0) -> None:
        """Kill each process in turn at random times while the senders continue."""
        for number in range(first, first + kills):
            self.kill(self.targets[number % len(self.targets)])
            self._wait_for_service()
            time.sleep(self.random.random())

    def _wait_for_service(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                if self.server.call("/healthz")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError

    def stop(self) -> None:
        self.worker.send_signal(signal.SIGKILL)
        self.worker.wait(60)


def senders(server: Server, name: str, streams: int = 3) -> list[Sender]:
    """Return two senders for each stream."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    return [
        Sender(server, f"{name}.s{stream}", start, seed=2 * stream + twin)
        for stream in range(streams)
        for twin in range(2)
    ]


def finish(running: list[Sender]) -> None:
    """Wait until the last batch of every sender is acknowledged."""
    for sender in running:
        sender.stop_requested.set()
    for sender in running:
        sender.join(180)
        assert not sender.is_alive(), "a batch was not acknowledged in time"


def compare(server: Server, running: list[Sender]) -> Findings:
    """Compare the stored points with the sent and the acknowledged points."""
    stored: dict[tuple[str, int], list[float]] = {}
    names = sorted({sender.stream for sender in running})
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"]) as connection:
        for metric, time, value in connection.execute(
            "SELECT metric_name, time, value FROM robot_telemetry WHERE metric_name = ANY (%s)",
            [names],
        ):
            number = round((time - running[0].start_time) / timedelta(milliseconds=1))
            stored.setdefault((metric, number), []).append(value)
    acknowledged = {(sender.stream, number) for sender in running for number in sender.acknowledged}
    sent: dict[str, int] = {}
    for sender in running:
        sent[sender.stream] = max(sent.get(sender.stream, 0), sender.sent)
    return Findings(
        acknowledged=len(acknowledged),
        missing=len(acknowledged - set(stored)),
        duplicated=sum(len(values) > 1 for values in stored.values()),
        wrong=sum(
            any(value != running[0].value(number) for value in values)
            for (_, number), values in stored.items()
        ),
        unsent=sum(number >= sent[metric] or number < 0 for metric, number in stored),
    )
