"""A live process of its own for the tests, and clients that read its streams."""

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

# Seconds that streams have once their process is told to end; they are to need none of them.
GRACE = 20
# Seconds in which a stream ends whose reason has ended: one, on a machine that has the time. Where
# nobody tells the live process, it would be a minute.
SOON = 5


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
        """Return the next event; None at the stream's end; raise `queue.Empty` for silence."""
        event = self.events.get(timeout=seconds)
        if event and "id" in event:
            self.last_id = event["id"]
        return event

    def next_of(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """Return the next event of a kind, past the others."""
        end = time.monotonic() + seconds
        while True:
            event = self.next(max(end - time.monotonic(), 0.01))
            assert event is not None, "the stream ended"
            if event.get("type") == kind:
                return event

    def all_within(self, seconds: float) -> list[dict[str, Any]]:
        """Return the events of a while."""
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
    """A live process on a port of its own."""

    def __init__(self, **environment: str) -> None:
        self.port = free_port()
        self.streams: list[Stream] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "urfmp.live.asgi:application"),
                *("--port", str(self.port), "--log-level", "warning"),
                *("--http", "urfmp.servers.uvicorn:Protocol"),
                *("--timeout-graceful-shutdown", str(GRACE)),
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
            assert self.process.poll() is None, "the live process ended"
            with contextlib.suppress(OSError):
                if self.get("/healthz")[0] in {200, 503}:
                    return
            time.sleep(0.05)
        pytest.fail("the live process does not answer")

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and content of an answer that ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            body = response.read()
            given = {name.lower(): value for name, value in response.getheaders()}
            return response.status, given, json.loads(body) if body else None

    def stream(self, who: Any, headers: dict[str, str] | None = None, **query: Any) -> Stream:
        """Open a stream as a signed-in test client, or with a key's text."""
        if isinstance(who, str):
            credential = {"Authorization": f"Bearer {who}"}
        else:
            token = who.cookies[settings.SESSION_COOKIE_NAME].value
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
        self.process.wait(timeout=GRACE + 20)


@pytest.fixture(scope="module")
def shared_live(django_db_setup) -> Iterator[Live]:
    live = Live()
    yield live
    live.stop()


@pytest.fixture
def live(shared_live: Live, transactional_db) -> Iterator[Live]:
    yield shared_live
    shared_live.close_streams()
    time.sleep(0.1)  # its last query must not meet the emptying of the tables


@pytest.fixture
def start_live(transactional_db) -> Iterator[Callable[..., Live]]:
    """Start a further live process with an environment of its own."""
    started: list[Live] = []

    def start(**environment: str) -> Live:
        started.append(Live(**environment))
        return started[-1]

    yield start
    for live in started:
        live.stop()


class Relay:
    """A door in front of Redis that can be shut, or left open with nobody behind it."""

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
        """Keep connections, pass nothing on."""
        self._hangs.set()

    def shut(self) -> None:
        """Break connections, refuse new ones."""
        with self._lock:
            if self._listener:
                self._pairs.append(self._listener)
                self._listener = None
        with self._lock:
            while self._pairs:
                _end(self._pairs.pop())

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener:
            while True:
                near, _ = listener.accept()
                with contextlib.ExitStack() as rest:
                    rest.enter_context(near)
                    far = rest.enter_context(socket.create_connection(self._target))
                    with self._lock:
                        # Shut meanwhile: what just came in goes with the others.
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
            _end(other)


def _end(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def redis_relay() -> Iterator[tuple[Relay, str]]:
    """A relay to the real Redis, and the address through it."""
    parts = parse_url(settings.REDIS_URL)
    if "host" not in parts:
        pytest.skip("Redis listens on a unix socket")
    relay = Relay(parts["host"], parts.get("port", 6379))
    password = f":{parts['password']}@" if parts.get("password") else ""
    yield relay, f"redis://{password}127.0.0.1:{relay.port}/{parts.get('db', 0)}"
    relay.shut()
