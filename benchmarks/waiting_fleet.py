"""Robots that wait for commands, each over its own connection."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from benchmarks.bench import ROOT, Bench
from benchmarks.fleet import make_fleet
from benchmarks.history import make_robots

# Robots do not connect at the same instant.
_CONNECTIONS_PER_SECOND = 300
_MAX_ARRIVAL_SECONDS = 10.0
_ONLINE = """
    UPDATE robots SET status = 'idle', reported_status = 'idle', last_seen = now()
    WHERE organization_id = %s
"""
_KEYS = """
    INSERT INTO api_keys (organization_id, user_id, robot_id, name, key_hash, key_prefix,
                          permissions, rate_limit)
    SELECT %(organization)s, %(user)s, k.robot, 'waiting ' || k.robot, k.hash, k.prefix,
           '{commands:write}', 1000
    FROM unnest(%(robots)s::uuid[], %(hashes)s::text[], %(prefixes)s::text[])
         AS k (robot, hash, prefix)
"""


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


class WaitingFleet:
    """Robots that wait on streams, each over a connection of its own.

    Attributes:
        failures: Number of connections that were rejected or lost.
    """

    def __init__(self, port: int, keys: dict[UUID, str]) -> None:
        """Connect all robots.

        Args:
            port: Port of the live process.
            keys: API key of each robot.
        """
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._arrivals: dict[UUID, float] = {}
        self._arrived = threading.Condition()
        self.failures = 0
        self._port = port
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()
        began = time.perf_counter()
        for number, (robot_id, key) in enumerate(keys.items()):
            time.sleep(max(0.0, began + number / _CONNECTIONS_PER_SECOND - time.perf_counter()))
            self._connect(robot_id, key)

    def _connect(self, robot_id: UUID, key: str) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        head = (
            "GET /api/v1/device/commands/events HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
        )
        connection.sendall(head.encode())
        self._selector.register(connection, selectors.EVENT_READ, robot_id)

    def _receive(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.2):
                connection: Any = key.fileobj
                data = _received(connection)
                now = time.perf_counter()
                if b"event: command" in data:
                    with self._arrived:
                        self._arrivals[key.data] = now
                        self._arrived.notify_all()
                if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200"):
                    self.failures += 1
                if not data:
                    self.failures += 1
                    self._selector.unregister(connection)
                    connection.close()

    def wait_for_command(self, robot_id: UUID) -> float:
        """Return when a robot got its command, on the performance counter.

        Raises:
            RuntimeError: It did not arrive within ten seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: robot_id in self._arrivals, _MAX_ARRIVAL_SECONDS):
                msg = "a command did not arrive"
                raise RuntimeError(msg)
            return self._arrivals.pop(robot_id)

    def close(self) -> None:
        """Close all connections."""
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            connection: Any = key.fileobj
            connection.close()


def make_waiting_robots(bench: Bench, robots: int) -> tuple[UUID, dict[UUID, str]]:
    """Create robots that are online; return their organization and keys."""
    from apps.accounts.selectors.key_format import generate_key, key_prefix  # noqa: PLC0415
    from apps.accounts.services.users import system_user_get  # noqa: PLC0415
    from urfmp.common.security.bearer_secrets import hash_token  # noqa: PLC0415
    from urfmp.common.tenancy.context import tenant_transaction  # noqa: PLC0415

    fleet = make_fleet(0)
    make_robots(bench, fleet, robots)
    with tenant_transaction(fleet.organization_id):
        user_id = system_user_get(organization_id=fleet.organization_id).pk
    with bench.connect("owner") as connection:
        connection.execute(_ONLINE, [fleet.organization_id])
        rows = connection.execute(
            "SELECT id FROM robots WHERE organization_id = %s", [fleet.organization_id]
        ).fetchall()
        keys = {row[0]: generate_key() for row in rows}
        connection.execute(
            _KEYS,
            {
                "organization": fleet.organization_id,
                "user": user_id,
                "robots": [*keys],
                "hashes": [hash_token(key) for key in keys.values()],
                "prefixes": [key_prefix(key) for key in keys.values()],
            },
        )
    return fleet.organization_id, keys


@contextmanager
def live_process() -> Iterator[int]:
    """Run the live process on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["uvicorn", "urfmp.live.asgi:application", "--port", str(port)]
    command += ["--http", "urfmp.servers.uvicorn:Protocol", "--log-level", "error"]
    command += ["--backlog", "4096", "--timeout-graceful-shutdown", "1"]
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()
