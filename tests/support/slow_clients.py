"""Clients that hold what a server has for all: attacks, and a normal client that measures them."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

ATTACKER = "127.0.0.2"
_DRIP_SECONDS = 0.5
# A client that does not read cannot see that it was dropped.
_RENEWAL_SECONDS = 10.0


@dataclass(frozen=True)
class Attack:
    """Connections that are opened again whenever the server closes them.

    Attributes:
        connections: How many are open at a time.
        first: What each sends at once.
        drip: What each sends every half second after that; nothing if empty.
        reads: Whether the attacker reads responses.
    """

    connections: int
    first: bytes
    drip: bytes = b""
    reads: bool = True


def _post(path: bytes, *headers: bytes) -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1", *headers]
    return b"\r\n".join([*lines, b"", b""])


_JSON = b"Content-Type: application/json"
_LARGE_FILE = b"/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
_LOGIN = b"/api/v1/auth/login"


def _get(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


ATTACKS = {
    # The three that took all threads before.
    "not reading": Attack(40, _get(_LARGE_FILE) * 60, reads=False),
    "slow heads": Attack(200, b"GET / HTTP/1.1\r\nX-A: ", b"a"),
    "slow bodies": Attack(200, _post(_LOGIN, _JSON, b"Content-Length: 1000"), b" "),
    # Others of the kind.
    "slow chunks": Attack(200, _post(_LOGIN, _JSON, b"Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "unsent bodies": Attack(
        200, _post(_LOGIN, _JSON, b"Content-Length: 10", b"Expect: 100-continue")
    ),
    "almost complete bodies": Attack(
        24, _post(_LOGIN, _JSON, b"Content-Length: 8000000") + b" " * 7_900_000
    ),
    "unread health checks": Attack(40, _get(b"/healthz") * 300, reads=False),
    "silent connections": Attack(2500, b""),
}


@dataclass
class Attacker:
    """Runs an attack in a thread of its own."""

    port: int
    attack: Attack
    opened: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            links: dict[socket.socket, memoryview] = {}
            next_drip = time.monotonic()
            next_renewal = next_drip + _RENEWAL_SECONDS
            try:
                while not self._stop.is_set():
                    self._open_missing(selector, links)
                    for key, events in selector.select(0.05):
                        self._serve(selector, links, key.fileobj, events)
                    if self.attack.drip and time.monotonic() > next_drip:
                        next_drip = time.monotonic() + _DRIP_SECONDS
                        for link, unsent in links.items():
                            if not unsent:
                                with suppress(OSError):
                                    link.send(self.attack.drip)
                    if not self.attack.reads and time.monotonic() > next_renewal:
                        next_renewal = time.monotonic() + _RENEWAL_SECONDS
                        for link in links:
                            with suppress(KeyError):
                                selector.unregister(link)
                            link.close()
                        links.clear()
            finally:
                for link in links:
                    link.close()

    def stop(self) -> None:
        self._stop.set()

    def _open_missing(self, selector, links) -> None:
        for _ in range(min(self.attack.connections - len(links), 50)):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.bind((ATTACKER, 0))
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", self.port))
            links[link] = memoryview(self.attack.first)
            self.opened += 1
            events = selectors.EVENT_WRITE | (selectors.EVENT_READ if self.attack.reads else 0)
            selector.register(link, events)

    def _serve(self, selector, links, link, events) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                if links[link]:
                    links[link] = links[link][link.send(links[link]) :]
                if not links[link] and self.attack.reads:
                    selector.modify(link, selectors.EVENT_READ)
                elif not links[link]:
                    selector.unregister(link)
            if events & selectors.EVENT_READ and not link.recv(65_536):
                raise ConnectionResetError
        except BlockingIOError:
            return
        except OSError:
            selector.unregister(link)
            link.close()
            del links[link]


@contextmanager
def under_attack(port: int, attack: Attack) -> Iterator[Attacker]:
    """Run an attack on a port for a block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    attacker = Attacker(port, attack)
    thread = threading.Thread(target=attacker.run)
    thread.start()
    try:
        yield attacker
    finally:
        attacker.stop()
        thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def measure(port: int, seconds: float, request: Callable[[HTTPConnection], None]) -> list[float]:
    """Return the times of a normal client's requests, sorted; failed ones count in full.

    Every tenth request uses a new connection.
    """
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as link:
            for _ in range(10):
                began = time.monotonic()
                try:
                    request(link)
                except (OSError, HTTPException):
                    times.append(max(time.monotonic() - began, 20.0))
                    break
                times.append(time.monotonic() - began)
                time.sleep(0.02)
    return sorted(times)


def percentile(times: list[float], share: float) -> float:
    """Return the time that this share of the requests stays below."""
    return times[min(int(len(times) * share), len(times) - 1)]
