"""Detect a database server that hangs.

A server that dies closes its connections, and every query fails at once. A server that hangs (a
stopped process, a stuck disk, a network that drops packets) does neither: it is silent, exactly as
it is during a slow query. But a slow query does not keep the server from accepting connections. So
a query that has waited for a second starts a probe: a thread that asks the server for a sign of
life. Queries fail as soon as a probe fails, and fail at once until one succeeds. Slow queries wait
as long as they need.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

# How long a query waits before the server is probed.
SILENCE_SECONDS = 1.0
# How long a server may take to answer a probe; a loaded one forks a process for it.
_PROBE_SECONDS = 2.0
_PROBE_PAUSE_SECONDS = 0.5
# A server that answered a probe is not probed again for this long.
_MIN_PROBE_INTERVAL_SECONDS = 2.0
# How long a query waits on a server that is known to hang.
_HUNG_PATIENCE_SECONDS = 0.25
# PostgreSQL's GSSENCRequest: any server answers it with one byte, and logs nothing.
_PROBE_REQUEST = struct.pack("!II", 8, 80877104)

_Result = TypeVar("_Result")
_Wait = Generator[Any, Any, _Result]


class DatabaseHangsError(psycopg.OperationalError):
    """The database server does not answer."""

    def __init__(self) -> None:
        super().__init__("The database server does not answer.")


class QueryTooLongError(psycopg.OperationalError):
    """A query exceeded the time limit of its connection."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The query was not answered within {seconds:g} seconds.")


class ServerWatch:
    """What this process knows about the database server's health."""

    def __init__(self) -> None:
        """Start with a server that is believed to be healthy."""
        self._lock = threading.Lock()
        self._is_probing = False
        self._probed_at = 0.0
        self.is_hung = False

    def raise_if_hung(self) -> None:
        """Raise an error while probes fail.

        Raises:
            DatabaseHangsError: The last probe failed.
        """
        if self.is_hung:
            raise DatabaseHangsError

    def check(self, address: tuple[str, int], silent_since: float) -> None:
        """Judge a query that waits; probe the server after a second.

        Args:
            address: Folder of the Unix socket or address, and port.
            silent_since: Time of the last bytes from the server, on the monotonic clock.

        Raises:
            DatabaseHangsError: The server does not answer probes either.
        """
        silence = time.monotonic() - silent_since
        if self.is_hung and silence > _HUNG_PATIENCE_SECONDS:
            raise DatabaseHangsError
        if silence > SILENCE_SECONDS:
            self.probe(address)

    def raise_unless_answering(self, address: tuple[str, int], seconds: float) -> None:
        """Ask the server for a sign of life, and wait for it.

        Raises:
            DatabaseHangsError: The server did not answer in time.
        """
        if not _is_answering(address, seconds):
            self.probe(address, is_suspect=True)
            raise DatabaseHangsError

    def probe(self, address: tuple[str, int], *, is_suspect: bool = False) -> None:
        """Start probing in a thread, unless the server answered a moment ago.

        Args:
            address: Folder of the Unix socket or address, and port.
            is_suspect: Whether the server counts as hung until it answers.
        """
        with self._lock:
            is_recent = time.monotonic() - self._probed_at < _MIN_PROBE_INTERVAL_SECONDS
            if self._is_probing or (is_recent and not is_suspect):
                return
            self._is_probing = True
        self.is_hung = is_suspect
        thread = threading.Thread(
            target=self._probe_until_answered, args=(address,), name="database-probe", daemon=True
        )
        thread.start()

    def _probe_until_answered(self, address: tuple[str, int]) -> None:
        try:
            while not _is_answering(address, _PROBE_SECONDS):
                self.is_hung = True
                time.sleep(_PROBE_PAUSE_SECONDS)
        finally:
            self.is_hung = False
            with self._lock:
                self._is_probing = False
                self._probed_at = time.monotonic()


def _is_answering(address: tuple[str, int], seconds: float) -> bool:
    """Return whether a server gives any sign of life within some seconds.

    A rejected connection is one: the server has stopped, which queries notice without help.
    """
    try:
        with _open_socket(address, seconds) as probe:
            probe.settimeout(seconds)
            probe.sendall(_PROBE_REQUEST)
            probe.recv(1)
    except (TimeoutError, BlockingIOError):  # the latter if the backlog of a Unix socket is full
        return False
    except OSError:
        return True
    return True


def _open_socket(address: tuple[str, int], seconds: float) -> socket.socket:
    host, port = address
    if not host.startswith(("/", "@")):
        return socket.create_connection((host, port), seconds)
    name = f"{host}/.s.PGSQL.{port}"
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.settimeout(seconds)
        probe.connect("\0" + name[1:] if host.startswith("@") else name)
    except OSError:
        probe.close()
        raise
    return probe


def server_address(parameters: dict[str, Any]) -> tuple[str, int] | None:
    """Return the address in connection parameters; None if libpq chooses it.

    The first one of several counts.
    """
    host = str(parameters.get("hostaddr") or parameters.get("host") or "").partition(",")[0]
    port = str(parameters.get("port") or "5432").partition(",")[0]
    return (host, int(port or 5432)) if host else None


server_watch = ServerWatch()


def guard(
    wait: _Wait[_Result],
    pgconn: Any,
    address: tuple[str, int],
    max_seconds: Callable[[], float | None],
    close: Callable[[], Any],
) -> _Wait[_Result]:
    """Return psycopg's wait for a query, ended early if the server hangs.

    Args:
        wait: Generator that psycopg resumes at each event, and ten times a second without one.
        pgconn: Connection of libpq.
        address: Folder of the Unix socket or address, and port.
        max_seconds: Function that returns the time limit of a query, or None.
        close: Function that closes the connection, which is in an unknown state afterwards.
    """
    began = silent_since = time.monotonic()
    try:
        state = next(wait)
        while True:
            ready = yield state
            if ready:
                silent_since = time.monotonic()
            elif pgconn.transaction_status == TransactionStatus.ACTIVE:
                server_watch.check(address, silent_since)
                _check_limit(began, max_seconds())
            state = wait.send(ready)
    except StopIteration as done:
        result: _Result = done.value
        return result
    except (DatabaseHangsError, QueryTooLongError):
        wait.close()
        close()
        raise


def _check_limit(began: float, seconds: float | None) -> None:
    if seconds is not None and time.monotonic() - began > seconds:
        raise QueryTooLongError(seconds)


class GuardedConnection(psycopg.Connection[Any]):
    """A connection whose queries fail if the server hangs.

    Attributes:
        max_query_seconds: How long a query may wait for its next result; None for no limit.
    """

    max_query_seconds: float | None = None
    _address: tuple[str, int] | None = None

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server."""
        if self._address is None:
            self._address = _address_of(self)
        guarded = guard(
            gen, self.pgconn, self._address, lambda: self.max_query_seconds, self.pgconn.finish
        )
        return super().wait(guarded, *args, **kwargs)


class GuardedAsyncConnection(psycopg.AsyncConnection[Any]):
    """An asynchronous connection whose queries fail if the server hangs."""

    _address: tuple[str, int] | None = None

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server."""
        if self._address is None:
            self._address = _address_of(self)
        guarded = guard(gen, self.pgconn, self._address, lambda: None, self.pgconn.finish)
        return await super().wait(guarded, *args, **kwargs)


def _address_of(link: Any) -> tuple[str, int]:
    return link.info.hostaddr or link.info.host, link.info.port
