"""Parallel senders that note what was acknowledged, a killer, and the comparison afterwards."""

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


@dataclass(frozen=True)
class Findings:
    """How what is stored differs from what was sent and acknowledged; nothing, if all is well."""

    acknowledged: int
    missing: int
    duplicated: int
    wrong: int
    unsent: int

    @property
    def faults(self) -> dict[str, int]:
        counts = {
            name: getattr(self, name) for name in ("missing", "duplicated", "wrong", "unsent")
        }
        return {name: count for name, count in counts.items() if count}


class Sender(threading.Thread):
    """Sends a stream in batches that overlap, shuffled; each until it is acknowledged.

    Two senders of one stream send the same points at the same time.
    """

    def __init__(self, server: Server, stream: str, start: datetime, seed: int) -> None:
        super().__init__(daemon=True)
        self.server, self.stream, self.start_time = server, stream, start
        self.chance = random.Random(seed)
        self.is_over = threading.Event()
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.answers: Counter[int] = Counter()
        self.refusals: list[bytes] = []

    def value(self, number: int) -> float:
        return number * 31 % 1009 + 0.5

    def run(self) -> None:
        while not self.is_over.is_set():
            first = max(self.sent - self.chance.randrange(20), 0)
            numbers = list(range(first, self.sent + self.chance.randrange(1, 60)))
            self.sent = numbers[-1] + 1
            self.chance.shuffle(numbers)
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
            # A kill may come at any moment: the socket of a broken request is closed too.
            with suppress(OSError, http.client.HTTPException), closing(connection):
                connection.request("POST", "/api/v1/telemetry", body, headers)
                response = connection.getresponse()
                status, answer = response.status, response.read()
            self.answers[status] += 1
            if status == 200:
                if json.loads(answer)["rejected"]:
                    self.refusals.append(answer)
                self.acknowledged.update(numbers)
                return
            if status not in {0, 429, 503}:
                self.refusals.append(answer)
                return
            time.sleep(0.05 + self.chance.random() / 10)


class Crashes:
    """Kills the parts of an installation and brings them back."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.web_command = server.processes[0].args[2:]
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
        """Kill -9, at once, and start again what does not come back by itself."""
        if target == "web":
            pids = [self.server.processes[0].pid, *self.web_workers()]
        elif target == "database":
            pids = processes_in(self.server.state / "postgres" / "data")
        elif target == "worker":
            pids = [self.worker.pid]
        else:
            pids = self.web_workers()[:1]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.killed[target] += bool(pids)
        if target == "web":
            self.server.processes[0].wait(60)
            self.server.processes[0] = self.server._start(*self.web_command)
        elif target == "database":
            embedded("up", self.server.state)
        elif target == "worker":
            self.worker.wait(60)
            self.worker = self._start_worker()

    def run(self, kills: int) -> None:
        """Kill so many times, every part in turn, at moments of chance while senders get on."""
        for number in range(kills):
            self.kill(TARGETS[number % len(TARGETS)])
            self._wait_for_service()
            time.sleep(self.chance.random())

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
    """Let every sender have its last batch acknowledged."""
    for sender in running:
        sender.is_over.set()
    for sender in running:
        sender.join(180)
        assert not sender.is_alive(), "a batch was not acknowledged in time"


def compare(server: Server, running: list[Sender]) -> Findings:
    """Hold what is stored beside what was sent and what was acknowledged."""
    stored: dict[tuple[str, int], list[float]] = {}
    names = sorted({sender.stream for sender in running})
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"]) as connection:
        for metric, moment, value in connection.execute(
            "SELECT metric_name, time, value FROM robot_telemetry WHERE metric_name = ANY (%s)",
            [names],
        ):
            number = round((moment - running[0].start_time) / timedelta(milliseconds=1))
            stored.setdefault((metric, number), []).append(value)
    acknowledged = {(one.stream, number) for one in running for number in one.acknowledged}
    sent: dict[str, int] = {}
    for one in running:
        sent[one.stream] = max(sent.get(one.stream, 0), one.sent)
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
