"""The reference client stores every point exactly once, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from tests.support.crash import Crashes
from tests.support.server import ROOT, installation

KILLS = int(os.environ.get("URFMP_BUFFER_KILLS", "3"))
# Records a point each few milliseconds, and prints how many: those must arrive.
ROBOT = """
import itertools, sys, time
from examples.robotclient.client import RobotClient
url, key, path, first = sys.argv[1:]
client = RobotClient(url, key, buffer=path, timeout=5.0)
for number in itertools.count(int(first)):
    client.record("buffered", number)
    print(number, flush=True)
    if number % 20 == 0:
        client._resume_at = min(client._resume_at, time.monotonic() + 0.5)
        client.flush()
    time.sleep(0.002)
"""
DELIVER = """
import sys
from examples.robotclient.client import RobotClient
url, key, path = sys.argv[1:]
client = RobotClient(url, key, buffer=path)
receipt = client.drain()
print(len(receipt.rejected), client.dropped, client.queue_length)
client.close()
"""


@pytest.fixture
def server():
    with installation(workers=2) as running:
        yield running


def run(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_every_recorded_point_is_stored_once(server, tmp_path):
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - to repeat the run
    path = tmp_path / "robot.db"
    crashes = Crashes(server, seed, ("web", "database", "one web worker"))
    announced: set[int] = set()
    try:
        for number in range(KILLS):
            robot = run(ROBOT, server.url, server.key, path, max(announced, default=-2) + 2)
            with robot, robot.stdout:
                time.sleep(0.5 + crashes.random.random())
                crashes.run(1, first=number)
                robot.send_signal(signal.SIGKILL)
                announced.update(map(int, robot.stdout.read().split("\n")[:-1]))
        delivery = run(DELIVER, server.url, server.key, path)
        with delivery, delivery.stdout:
            assert delivery.stdout.read().split() == ["0", "0", "0"]
    finally:
        crashes.stop()
    with psycopg.connect(server.environment["ADMIN_DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT value::int, count(*) FROM robot_telemetry WHERE metric_name = 'buffered'"
            " GROUP BY value ORDER BY value"
        ).fetchall()
    stored = {value for value, _ in rows}
    print(f"{len(stored)} points, {dict(crashes.killed)} kills")  # noqa: T201
    assert {count for _, count in rows} == {1}
    assert announced <= stored
    assert len(stored - announced) <= KILLS  # recorded, but not announced before the kill
    assert sum(crashes.killed.values()) == KILLS
