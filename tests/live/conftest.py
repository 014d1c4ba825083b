"""A live process for the tests, and clients that read its streams."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connections
from psycopg.conninfo import make_conninfo
from redis.connection import parse_url

from apps.robots.services.status import robot_report_status
from tests.support.waiting_devices import Device

# Graceful shutdown timeout of the server; streams should need none of it.
GRACE_SECONDS = 20
# Time in which a revoked stream closes: one second, more on a busy machine. Without the check for
# revocations it would be a minute.
REVOCATION_SECONDS = 5


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Stream:
    """A client of the event stream, read by a thread until it ends."""

    def __init__(self, port: int, headers: dict[str, str], query: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            self.connection.request("GET", f"/api/v1/events?{query}", headers=headers)
            self.response = self.connection.getresponse()
        except BaseException:
            self.connection.close()
            raise
        self.status = self.response.status
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.last_id = ""
        if self.status == 200:
            threading.Thread(target=self._read, daemon=True).start()
        else:
            self.problem = json.loads(self.response.read())

    def _read(self) -> None:
        event: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self.response.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    event["id"] = value
                elif name == "data":
                    event |= json.loads(value)
                elif not name and event:
                    self.events.put(event)
                    event = {}
        self.events.put(None)

    def next(self, seconds: float = 20.0) -> dict[str, Any] | None:
        """Return the next event, or None at the end; raise `queue.Empty` on timeout."""
        event = self.events.get(timeout=seconds)
        if event and "id" in event:
            self.last_id = event["id"]
        return event

    def next_of(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """Return the next event of a type, skipping others."""
        end = time.monotonic() + seconds
        while True:
            event = self.next(max(end - time.monotonic(), 0.01))
            assert event is not None, "the stream closed"
            if event.get("type") == kind:
                return event

    def all_within(self, seconds: float) -> list[dict[str, Any]]:
        """Return the events that arrive within some seconds."""
        events = []
        end = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while event := self.next(max(end - time.monotonic(), 0.001)):
                events.append(event)
        return events

    def is_silent(self, seconds: float = 0.5) -> bool:
        try:
            self.next(seconds)
        except queue.Empty:
            return True
        return False

    def close(self) -> None:
        if self.response.fp is not None and self.connection.sock is not None:
            with contextlib.suppress(OSError):
                self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Live:
    """A live process on its own port."""

    def __init__(self, **environment: str) -> None:
        self.port = free_port()
        self.streams: list[Stream] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "urfmp.live.asgi:application"),
                *("--port", str(self.port), "--log-level", "warning"),
                *("--http", "urfmp.servers.uvicorn:Protocol"),
                *("--timeout-graceful-shutdown", str(GRACE_SECONDS)),
            ],
            env={
                **os.environ,
                "DATABASE_URL": self._database(),
                "REDIS_URL": settings.REDIS_URL,
                "WEB_ORIGIN": settings.WEB_ORIGIN,
                **environment,
            },
        )
        try:
            self._wait()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @staticmethod
    def _database() -> str:
        parameters = connections["default"].get_connection_params()
        names = ("host", "port", "user", "password", "dbname")
        return make_conninfo(**{n: parameters[n] for n in names if parameters.get(n)})

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None, "the live process exited"
            with contextlib.suppress(OSError):
                if self.get("/healthz")[0] in {200, 503}:
                    return
            time.sleep(0.05)
        pytest.fail("the live process does not respond")

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and JSON content of a response that is not a stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            body = response.read()
            given = {name.lower(): value for name, value in response.getheaders()}
            return response.status, given, json.loads(body) if body else None

    def stream(self, login: Any, headers: dict[str, str] | None = None, **query: Any) -> Stream:
        """Open a stream with the session of a test client, or with an API key."""
        if isinstance(login, str):
            credential = {"Authorization": f"Bearer {login}"}
        else:
            token = login.cookies[settings.SESSION_COOKIE_NAME].value
            credential = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={token}"}
        stream = Stream(self.port, {**credential, **(headers or {})}, urlencode(query, doseq=True))
        self.streams.append(stream)
        if stream.status == 200:
            stream.welcome = stream.next()
        return stream

    def close_streams(self) -> None:
        for stream in self.streams:
            stream.close()
        self.streams.clear()

    def stop(self) -> None:
        self.close_streams()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=GRACE_SECONDS + 20)


@pytest.fixture(scope="module")
def shared_live(django_db_setup) -> Iterator[Live]:
    live = Live()
    yield live
    live.stop()


@pytest.fixture
def live(shared_live: Live, transactional_db) -> Iterator[Live]:
    yield shared_live
    shared_live.close_streams()
    time.sleep(0.1)  # a query in progress could deadlock with the truncation of the tables


@pytest.fixture
def start_live(transactional_db) -> Iterator[Callable[..., Live]]:
    """Start another live process with additional environment variables."""
    started: list[Live] = []

    def start(**environment: str) -> Live:
        started.append(Live(**environment))
        return started[-1]

    yield start
    for live in started:
        live.stop()


class Relay:
    """A TCP proxy for Redis that can break connections or stop forwarding."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = free_port()
        self._pairs: list[socket.socket] = []
        self._hangs = threading.Event()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self._hangs.clear()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hang(self) -> None:
        """Keep connections open, but forward nothing."""
        self._hangs.set()

    def shut(self) -> None:
        """Break connections and reject new ones."""
        with self._lock:
            if self._listener:
                self._pairs.append(self._listener)
                self._listener = None
        with self._lock:
            while self._pairs:
                _shut_down(self._pairs.pop())

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener:
            while True:
                near, _ = listener.accept()
                with contextlib.ExitStack() as rest:
                    rest.enter_context(near)
                    far = rest.enter_context(socket.create_connection(self._target))
                    with self._lock:
                        # The relay was shut while this connection was accepted.
                        if self._listener is not listener:
                            return
                        self._pairs += [near, far]
                    rest.pop_all()
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with one:
            with contextlib.suppress(OSError):
                while data := one.recv(65536):
                    if not self._hangs.is_set():
                        other.sendall(data)
            _shut_down(other)


def _shut_down(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def redis_relay() -> Iterator[tuple[Relay, str]]:
    """Return a relay to Redis, and the Redis URL that leads through it."""
    parts = parse_url(settings.REDIS_URL)
    if "host" not in parts:
        pytest.skip("Redis listens on a unix socket")
    relay = Relay(parts["host"], parts.get("port", 6379))
    password = f":{parts['password']}@" if parts.get("password") else ""
    yield relay, f"redis://{password}127.0.0.1:{relay.port}/{parts.get('db', 0)}"
    relay.shut()


@pytest.fixture
def make_device(make_robot, make_key, tenant):
    def make(organization: Any, scopes: Any = ("commands:write",), **options: Any) -> Device:
        robot = make_robot(organization)
        with tenant(organization):
            robot_report_status(robot_id=robot.pk, status="idle")
        return Device(robot, make_key(organization, list(scopes), robot=robot, **options))

    return make


@pytest.fixture
def device(organization_a, make_device) -> Device:
    return make_device(organization_a)
