"""API client for a robot's controller, in one file to copy.

    client = RobotClient("https://fleet.example", key)
    client.change_status("running")
    client.record("joint.1.current", 1.25, unit="A")
    client.flush()

    receiver = CommandReceiver("https://fleet.example", key, journal="commands.txt")
    command = receiver.next()
    if command and receiver.accept(command):
        receiver.report_result(command, "completed")

A robot without an API key exchanges the claim code of its page for one:

    python3 client.py --server https://fleet.example --claim 7K3M-9QXA-T2VD-40ZR

It uses only the standard library. `record` and `change_status` add to a buffer, which is a file if
`RobotClient` is given its path. `flush` delivers the buffer, oldest first, and keeps the rest if
the server is unavailable or asks the client to wait. A request whose response was lost is sent
again unchanged: the server stores each point once.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import logging
import os
import random
import sqlite3
import sys
import threading
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict
from urllib.parse import urlencode, urlsplit

logger = logging.getLogger(__name__)

# Limits of the server for one request.
MAX_POINTS = 10_000
MAX_BODY_BYTES = 8 * 1024 * 1024

MAX_WAIT_SECONDS = 30
TRANSPORTS = ("poll", "sse")
# A stream has a heartbeat each 15 s: one that is silent for longer is broken.
_MAX_SILENCE_SECONDS = 40.0

_MAX_BACKOFF_SECONDS = 30.0
_MAX_LOGGED_REJECTIONS = 10
_MAX_JOURNAL_IDS = 10_000
# Pauses between attempts to acknowledge a command.
_MIN_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 2.0
_TOO_LARGE_STATUS = 413
_UNPROCESSABLE_STATUS = 422
# Statuses that reject what was sent. Others, such as 404, come from a wrong proxy or address: what
# was measured is kept.
_INVALID_STATUSES = frozenset({400, 409, 413, 422})
_RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_AUTH_STATUSES = frozenset({401, 403})


class Point(TypedDict):
    """One measured value.

    `time` is RFC 3339. The robot may be omitted with an API key bound to one robot.
    """

    metric_name: str
    value: float
    time: str
    unit: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    robot_id: NotRequired[str]
    serial_number: NotRequired[str]


class Rejection(TypedDict):
    """A point that the server did not store.

    Attributes:
        index: Index of the point in the request.
        code: Stable error code.
        detail: Explanation for people.
    """

    index: int
    code: str
    detail: str


class ServerUnavailable(Exception):  # noqa: N818 - a state of the server, not an error of the client
    """The server is unavailable or asks the client to wait.

    The same request may be sent again later.

    Attributes:
        retry_after: Seconds requested by the server, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RequestRejected(Exception):  # noqa: N818 - a response of the server
    """The server rejected the request; sending it again does not help.

    Attributes:
        status: HTTP status; 401 and 403 mean that the API key is not accepted.
        code: Stable error code of the response, or "".
        detail: Explanation for people.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}" if code else f"{status}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


@dataclass
class Receipt:
    """Result of sending points. Receipts can be added with `+=`.

    Attributes:
        accepted: Number of points stored now.
        duplicate: Number of points already stored with the same value.
        rejected: Points that were not stored, each with its index in its own request.
        rejected_statuses: Errors of status changes that the server rejected.
    """

    accepted: int = 0
    duplicate: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    rejected_statuses: list[str] = field(default_factory=list)

    def __iadd__(self, other: Receipt) -> Self:
        self.accepted += other.accepted
        self.duplicate += other.duplicate
        self.rejected += other.rejected
        self.rejected_statuses += other.rejected_statuses
        return self


def rfc3339(value: datetime | None = None) -> str:
    """Format an aware time, by default now, as the API's RFC 3339.

    The result is in UTC with microseconds.

    Raises:
        ValueError: The time has no timezone.
    """
    value = value or datetime.now(UTC)
    if value.tzinfo is None:
        msg = f"{value} has no timezone."
        raise ValueError(msg)
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def retry_after_seconds(header: str | None) -> float | None:
    """Parse a Retry-After header, seconds or a date; return None if invalid."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        value = parsedate_to_datetime(header)
    except ValueError:
        return None
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    return max(0.0, (value - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True)
class _Response:
    status: int
    body: Any
    retry_after: float | None

    def detail(self) -> tuple[str, str]:
        """Return the code and detail of a problem document."""
        body = self.body if isinstance(self.body, dict) else {}
        return str(body.get("code", "")), str(body.get("detail") or "no reason given")

    def raise_if_temporary(self) -> None:
        """Raise `ServerUnavailable` if the request may succeed later."""
        if self.status in _RETRY_STATUSES:
            msg = f"The server responded with {self.status}: {self.detail()[1]}"
            raise ServerUnavailable(msg, self.retry_after)


class BufferInUse(Exception):  # noqa: N818 - a state of the file
    """Another process uses the buffer's file."""


class DeliveryBuffer:
    """Points and status changes to deliver, in a file or in memory.

    The file is an SQLite database. An entry is in it when `append` returns, and survives the end of
    the process at any time. A loss of power can lose the last entries, but not damage the others.

    Attributes:
        dropped: Number of entries that were discarded, oldest first, because the buffer was full or
            the disk was; counted over restarts if there is a file.
    """

    def __init__(self, path: str | Path | None, *, max_entries: int) -> None:
        """Open the buffer, or create it.

        A file that is damaged is renamed to `<name>.damaged`, and a new one is created.

        Args:
            path: File; None for a buffer in memory.
            max_entries: Entries to keep. A point takes about 200 bytes.

        Raises:
            BufferInUse: Another process uses the file.
            OSError: The file cannot be created.
        """
        self._max_entries = max_entries
        self._path = None if path is None else Path(path)
        self._is_failing = False
        try:
            self._open()
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from error
        except sqlite3.DatabaseError as error:
            self._replace_damaged(error)
            self._open()

    def _open(self) -> None:
        self._database = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=0,
            isolation_level=None,
            # The robot's thread need not be the one that creates the client.
            check_same_thread=False,
        )
        try:
            self._database.executescript(
                "PRAGMA locking_mode = EXCLUSIVE;"
                "PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = NORMAL;"
                "CREATE TABLE IF NOT EXISTS entries"
                " (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, body TEXT);"
                "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER);"
                "INSERT OR IGNORE INTO counters VALUES ('dropped', 0);"
            )
            is_sound = self._value("PRAGMA quick_check") == "ok"
            if not is_sound:
                msg = "the check of the file failed"
                raise sqlite3.DatabaseError(msg)
            self._length = int(self._value("SELECT count(*) FROM entries"))
            self.dropped = int(self._value("SELECT value FROM counters WHERE name = 'dropped'"))
        except sqlite3.Error:
            self._database.close()
            raise

    def _value(self, statement: str) -> Any:
        return self._database.execute(statement).fetchone()[0]

    def _unusable(self, error: sqlite3.OperationalError) -> Exception:
        if "locked" in str(error):
            return BufferInUse(f"Another process uses {self._path}.")
        return OSError(f"{self._path} cannot be used: {error}")

    def _replace_damaged(self, error: sqlite3.DatabaseError) -> None:
        if self._path is None:
            raise error
        logger.error("The buffer %s is damaged and is replaced: %s", self._path, error)
        self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._length

    def append(self, kind: str, body: dict[str, Any]) -> None:
        """Add an entry; discard the oldest one if the buffer is full.

        Raises:
            ValueError: The body contains a number that JSON does not have, such as NaN.
        """
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
        try:
            if self._length >= self._max_entries:
                self._discard_oldest()
            self._database.execute("INSERT INTO entries (kind, body) VALUES (?, ?)", [kind, text])
        except sqlite3.OperationalError as error:
            # The robot must go on when the disk is full.
            if not self._is_failing:
                logger.warning("The buffer cannot keep further entries: %s", error)
            self._is_failing = True
            self.dropped += 1
        else:
            self._is_failing = False
            self._length += 1

    def _discard_oldest(self) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "DELETE FROM entries WHERE number = (SELECT min(number) FROM entries)"
            )
            self._database.execute(
                "UPDATE counters SET value = ? WHERE name = 'dropped'", [self.dropped + 1]
            )
        self.dropped += 1
        self._length -= 1

    def head(self, limit: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the oldest entries, each with its kind."""
        rows = self._database.execute(
            "SELECT kind, body FROM entries ORDER BY number LIMIT ?", [limit]
        )
        return [(kind, json.loads(text)) for kind, text in rows]

    def remove(self, count: int) -> None:
        """Remove the oldest entries, which are delivered."""
        self._database.execute(
            "DELETE FROM entries WHERE number IN"
            " (SELECT number FROM entries ORDER BY number LIMIT ?)",
            [count],
        )
        self._length -= count

    def close(self) -> None:
        """Close the file; its entries stay in it."""
        self._database.close()


class ServerConnection:
    """One connection to a server with one API key.

    It is not thread-safe.
    """

    def __init__(self, url: str, key: str | None, *, timeout: float) -> None:
        """Create a connection, which is opened with the first request.

        Args:
            url: Scheme, host and port of the server, and the path prefix of the platform, if any.
            key: The robot's API key; None before it has one.
            timeout: Seconds to wait for a response.

        Raises:
            ValueError: The URL is not http or https.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"{url} is not an address such as https://fleet.example."
            raise ValueError(msg)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next request reconnects."""
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method: str, path: str, body: Any = None) -> _Response:
        """Send a request, and return any response but a temporary failure.

        Raises:
            ServerUnavailable: The server does not respond, or asks the client to wait.
            RequestRejected: The body is too large.
        """
        data = None
        headers = self._headers
        if body is not None:
            data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            headers = {**headers, "Content-Type": "application/json"}
            if len(data) > MAX_BODY_BYTES:
                raise RequestRejected(
                    _TOO_LARGE_STATUS, "too_large", f"The request has {len(data):,} bytes."
                )
        response = self._exchange(method, self._path + path, data, headers)
        response.raise_if_temporary()
        return response

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> _Response:
        """Send the request over the open connection, reconnecting if it was stale."""
        while True:
            was_reused = self._connection is not None
            try:
                return self._exchange_once(method, path, data, headers)
            except (http.client.HTTPException, OSError) as error:
                self._disconnect()
                # Servers close idle connections without notice; that is not an outage.
                if was_reused and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue
                reason = str(error) or type(error).__name__
                msg = f"The server does not respond: {reason}"
                raise ServerUnavailable(msg) from error

    def _exchange_once(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> _Response:
        http_response = self._send(method, path, data, headers)
        response = _read(http_response)
        if http_response.will_close:
            self._disconnect()
        return response

    def _send(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout)
        self._connection.request(method, path, data, headers)
        return self._connection.getresponse()


def _read(http_response: http.client.HTTPResponse) -> _Response:
    content = http_response.read()
    try:
        decoded = json.loads(content) if content else None
    except ValueError:
        decoded = None
    return _Response(
        http_response.status,
        decoded,
        retry_after_seconds(http_response.getheader("Retry-After")),
    )


class RobotClient(ServerConnection):
    """Client that keeps telemetry and status changes until they are delivered."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 10.0,
        max_queue_length: int = 100_000,
        buffer: str | Path | None = None,
    ) -> None:
        """Create a client. Nothing is sent until the first request.

        Args:
            url: Scheme, host and port of the server, and the path prefix of the platform, if any.
            key: The robot's API key.
            timeout: Seconds to wait for a response.
            max_queue_length: Points and status changes to keep while the server is unavailable.
            buffer: File that keeps them over restarts of this program; it is created. None keeps
                them in memory. Each client needs a file of its own.

        Raises:
            BufferInUse: Another process uses the file.
            OSError: The file cannot be created.
            ValueError: The URL is not http or https.
        """
        super().__init__(url, key, timeout=timeout)
        self._buffer = DeliveryBuffer(buffer, max_entries=max_queue_length)
        self._resume_at = 0.0
        self._failures = 0

    def close(self) -> None:
        """Close connection and buffer; what is not delivered stays in the file."""
        super().close()
        self._buffer.close()

    # Queue

    def record(
        self,
        metric_name: str,
        value: float,
        *,
        unit: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Add a measured value to the queue; the default time is now.

        Raises:
            ValueError: The value is not finite, or the time has no timezone.
        """
        point: dict[str, Any] = {
            "metric_name": metric_name,
            "time": rfc3339(time),
            "value": float(value),
        }
        if unit is not None:
            point["unit"] = unit
        if metadata is not None:
            point["metadata"] = metadata
        self._buffer.append("point", point)

    def change_status(
        self,
        status: str,
        *,
        reason: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Add a status change to the queue."""
        self._buffer.append(
            "status", _status_body(status, reason, time or datetime.now(UTC), metadata)
        )

    @property
    def queue_length(self) -> int:
        """Number of points and status changes that are not yet delivered."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Number of points and status changes that were discarded."""
        return self._buffer.dropped

    @property
    def pause_seconds(self) -> float:
        """Seconds until the next request, from Retry-After or the backoff."""
        return max(0.0, self._resume_at - clock.monotonic())

    def flush(self) -> Receipt:
        """Deliver the queue, oldest first, without waiting for the server.

        Raises:
            RequestRejected: The API key is not accepted. The queue is kept.
        """
        receipt = Receipt()
        limit = MAX_POINTS
        while len(self._buffer) and self.pause_seconds <= 0:
            entries = self._buffer.head(limit)
            try:
                limit = (
                    self._flush_status(entries[0][1], receipt)
                    if entries[0][0] == "status"
                    else self._flush_points(entries, receipt, limit)
                )
            except ServerUnavailable as error:
                self._pause(error.retry_after)
                break
            self._failures = 0
        return receipt

    def drain(self, wait: Callable[[float], object] = clock.sleep) -> Receipt:
        """Deliver the whole queue, waiting for the server as necessary.

        Args:
            wait: Sleeps for the given seconds; a true result stops the delivery, as with
                Event.wait.

        Raises:
            RequestRejected: The API key is not accepted.
        """
        receipt = self.flush()
        while len(self._buffer):
            if wait(max(self.pause_seconds, 0.01)):
                break
            receipt += self.flush()
        return receipt

    # Single requests, without the queue

    def post_telemetry(self, points: Sequence[Mapping[str, Any]]) -> Receipt:
        """Send points immediately, bypassing the queue.

        Raises:
            ServerUnavailable: Send the points again later.
            RequestRejected: The whole request was rejected: wrong API key, too large or malformed.
        """
        response = self.request("POST", "/api/v1/telemetry", {"points": points})
        body = response.body
        if (
            isinstance(body, dict)
            and response.status in {200, _UNPROCESSABLE_STATUS}
            and "rejected" in body
        ):
            return Receipt(body.get("accepted", 0), body.get("duplicate", 0), body["rejected"])
        raise RequestRejected(response.status, *response.detail())

    def post_status(
        self,
        status: str,
        *,
        reason: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Report a status immediately; return the status now shown.

        The queue is bypassed.

        Raises:
            ServerUnavailable: Report the status again later.
            RequestRejected: The server rejected the status.
        """
        return self._post_status(_status_body(status, reason, time, metadata))

    def get(self, path: str, **query: str) -> Any:
        """Return the decoded response of a GET request below `/api/v1/`.

        Raises:
            ServerUnavailable: Ask again later.
            RequestRejected: The resource does not exist for this API key.
        """
        address = f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        response = self.request("GET", address)
        if response.status != http.HTTPStatus.OK:
            raise RequestRejected(response.status, *response.detail())
        return response.body

    # Internals

    def _flush_points(
        self, entries: Sequence[tuple[str, dict[str, Any]]], receipt: Receipt, limit: int
    ) -> int:
        """Send the queue's first points; return how many to send next."""
        head = itertools.takewhile(lambda entry: entry[0] == "point", entries)
        points = [body for _, body in head]
        try:
            sent = self.post_telemetry(points)
        except RequestRejected as error:
            if error.status == _TOO_LARGE_STATUS and len(points) > 1:
                return len(points) // 2
            self._require_invalid(error)
            # These points would block the queue forever, so they are removed and reported.
            code = error.code or str(error.status)
            sent = Receipt(
                rejected=[
                    {"index": index, "code": code, "detail": error.detail}
                    for index in range(len(points))
                ]
            )
        for rejection in sent.rejected[:_MAX_LOGGED_REJECTIONS]:
            logger.warning("The server rejected %s: %s", points[rejection["index"]], rejection)
        if (further := len(sent.rejected) - _MAX_LOGGED_REJECTIONS) > 0:
            logger.warning("The server rejected %d further points.", further)
        self._buffer.remove(len(points))
        receipt += sent
        return min(MAX_POINTS, limit * 2)

    def _flush_status(self, body: dict[str, Any], receipt: Receipt) -> int:
        """Send the status change at the head of the queue."""
        try:
            self._post_status(body)
        except RequestRejected as error:
            self._require_invalid(error)
            logger.warning("The server rejected the status %s: %s", body, error)
            receipt.rejected_statuses.append(str(error))
        self._buffer.remove(1)
        return MAX_POINTS

    @staticmethod
    def _require_invalid(error: RequestRejected) -> None:
        """Raise unless the server found what was sent invalid."""
        if error.status in _AUTH_STATUSES:
            raise error
        if error.status not in _INVALID_STATUSES:
            raise ServerUnavailable(str(error)) from error

    def _post_status(self, body: dict[str, Any]) -> str:
        response = self.request("POST", "/api/v1/device/status", body)
        if response.status != http.HTTPStatus.OK:
            raise RequestRejected(response.status, *response.detail())
        return str(response.body["status"]) if isinstance(response.body, dict) else ""

    def _pause(self, retry_after: float | None) -> None:
        self._failures += 1
        if retry_after is None:
            # The robots of a fleet must not all reconnect at the same instant.
            max_delay = min(_MAX_BACKOFF_SECONDS, 2.0 ** min(self._failures - 1, 10))
            retry_after = max_delay * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        self._resume_at = clock.monotonic() + retry_after


def _status_body(
    status: str, reason: str | None, time: datetime | None, metadata: dict[str, Any] | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"status": status}
    if reason is not None:
        body["reason"] = reason
    if time is not None:
        body["time"] = rfc3339(time)
    if metadata is not None:
        body["metadata"] = metadata
    return body


@dataclass(frozen=True)
class Command:
    """A command that the server handed over. It is handed over once.

    Attributes:
        id: Id of the command.
        type: Kind of command, such as `run_program` or `emergency_stop`.
        payload: Fields of the type.
        priority: `low`, `normal`, `high` or `critical`.
        expires_at: Time of this machine's monotonic clock after which it must not be started.
        acknowledge_until: Time of the monotonic clock until which it must be acknowledged.
    """

    id: str
    type: str
    payload: dict[str, Any]
    priority: str
    expires_at: float
    acknowledge_until: float

    @property
    def is_expired(self) -> bool:
        """True if the command must not be started any more."""
        return clock.monotonic() >= self.expires_at


class CommandStream(ServerConnection):
    """A stream of server-sent events with a robot's commands."""

    def __init__(self, url: str, key: str) -> None:
        """Create a stream; the first command opens it.

        Args:
            url: Scheme, host and port of the server, and the path prefix of the platform, if any.
            key: The robot's API key.

        Raises:
            ValueError: The URL is not http or https.
        """
        super().__init__(url, key, timeout=_MAX_SILENCE_SECONDS)
        self._headers["Accept"] = "text/event-stream"
        self._response: http.client.HTTPResponse | None = None

    def close(self) -> None:
        """Close the stream; the next command opens another one."""
        if self._response is not None:
            self._response.close()
            self._response = None
        super().close()

    def next(self, wait: float) -> dict[str, Any] | None:
        """Wait for the next command.

        Args:
            wait: Seconds to wait; a heartbeat that arrives later ends the wait.

        Raises:
            ServerUnavailable: The stream ended; ask again later.
            RequestRejected: The API key is not accepted.
        """
        end = clock.monotonic() + wait
        try:
            response = self._response or self._open()
            while True:
                kind, data = self._read_event(response)
                if kind == "command":
                    found: dict[str, Any] = json.loads(data)
                    return found
                if clock.monotonic() >= end:
                    return None
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            msg = f"The stream of commands ended: {str(error) or type(error).__name__}"
            raise ServerUnavailable(msg) from error

    def _open(self) -> http.client.HTTPResponse:
        self.close()
        path = f"{self._path}/api/v1/device/commands/events"
        opened = self._send("GET", path, None, self._headers)
        if opened.status != http.HTTPStatus.OK:
            response = _read(opened)
            self.close()
            response.raise_if_temporary()
            raise RequestRejected(response.status, *response.detail())
        self._response = opened
        return opened

    @staticmethod
    def _read_event(response: http.client.HTTPResponse) -> tuple[str, str]:
        """Return the type and the data of the next event."""
        kind, data = "", ""
        while line := response.readline():
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not name and kind:
                return kind, data
        msg = "the server closed it"
        raise ConnectionError(msg)


class CommandReceiver:
    """Waits for commands, and reports on them.

    One thread may wait for commands while others report.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        journal: str | Path | None = None,
        timeout: float = 10.0,
        transport: str = "poll",
    ) -> None:
        """Create a receiver. Nothing is sent until the first request.

        Args:
            url: Scheme, host and port of the server, and the path prefix of the platform, if any.
            key: The robot's API key, with the scope commands:write.
            journal: File with the ids of accepted commands. With it, a command that was accepted
                before a restart is not accepted again.
            timeout: Seconds to wait for a response, in addition to the wait for a command.
            transport: `poll` asks for each command. `sse` receives them on a stream: accept each
                within its time while another one is executed, since a stop request may follow.

        Raises:
            ValueError: The URL is not http or https, or the transport is unknown.
        """
        if transport not in TRANSPORTS:
            msg = f"{transport} is not a transport. Choose one of {', '.join(TRANSPORTS)}."
            raise ValueError(msg)
        self._polls = ServerConnection(url, key, timeout=timeout + MAX_WAIT_SECONDS)
        self._stream = CommandStream(url, key) if transport == "sse" else None
        self._reports = ServerConnection(url, key, timeout=timeout)
        self._reporting = threading.Lock()
        self._journal = None if journal is None else Path(journal)
        self._accepted = set() if self._journal is None else _journal_ids(self._journal)

    def close(self) -> None:
        """Close the connections; the next request reconnects."""
        self._polls.close()
        self._reports.close()
        if self._stream is not None:
            self._stream.close()

    def next(self, wait: int = MAX_WAIT_SECONDS) -> Command | None:
        """Wait for the next command; return None if there was none.

        Args:
            wait: Seconds to wait, at most 30; a stream may take 15 seconds longer.

        Raises:
            ServerUnavailable: Ask again later.
            RequestRejected: The API key is not accepted.
        """
        body = self._poll(wait) if self._stream is None else self._stream.next(wait)
        if body is None:
            return None
        # A response that a stalled connection delayed is caught by the acknowledgement, which the
        # server then rejects.
        received_at = clock.monotonic()
        return Command(
            body["id"],
            body["type"],
            body["payload"],
            body["priority"],
            received_at + body["expires_in"],
            received_at + body["acknowledge_in"],
        )

    def _poll(self, wait: int) -> dict[str, Any] | None:
        response = self._polls.request("POST", f"/api/v1/device/commands/next?wait={wait}")
        if response.status == http.HTTPStatus.NO_CONTENT:
            return None
        if response.status != http.HTTPStatus.OK or not isinstance(response.body, dict):
            raise RequestRejected(response.status, *response.detail())
        return response.body

    def has_accepted(self, command: Command) -> bool:
        """Return whether a command was accepted before.

        It must not be executed again.
        """
        return command.id in self._accepted

    def accept(self, command: Command) -> bool:
        """Acknowledge a command; return whether it may be executed.

        A repeated or expired command may not, nor one whose acknowledgement the server rejects: for
        users, its outcome is unknown already. The id is in the journal before the command is
        acknowledged.

        Raises:
            RequestRejected: The API key is not accepted.
        """
        if self.has_accepted(command) or command.is_expired:
            return False
        if clock.monotonic() >= command.acknowledge_until:
            return False
        self._remember(command.id)
        while clock.monotonic() < command.acknowledge_until:
            try:
                response = self._post(command, "acknowledge", {})
            except ServerUnavailable as error:
                clock.sleep(min(error.retry_after or _MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS))
                continue
            if response.status in _AUTH_STATUSES:
                raise RequestRejected(response.status, *response.detail())
            return response.status == http.HTTPStatus.OK and not command.is_expired
        return False

    def report_progress(
        self, command: Command, progress: int | None = None, text: str | None = None
    ) -> None:
        """Report how far a command is.

        Args:
            command: Command that is being executed.
            progress: Completed part in percent.
            text: Step that is being executed.

        Raises:
            ServerUnavailable: Report again with the next progress.
            RequestRejected: The command has ended, or its outcome is unknown.
        """
        self._report(command, "progress", {"progress": progress, "text": text})

    def report_result(
        self,
        command: Command,
        outcome: str,
        *,
        output: dict[str, Any] | None = None,
        error_message: str | None = None,
    ) -> None:
        """Report the outcome of a command; repeat it after a failure.

        Args:
            command: Command that was executed.
            outcome: `completed`, `failed`, or `rejected` if it was not begun.
            output: Data for the users.
            error_message: Reason of a failure.

        Raises:
            ServerUnavailable: Report again later; a repeated report changes nothing.
            RequestRejected: The command has another outcome.
        """
        body = {"outcome": outcome, "output": output, "error_message": error_message}
        self._report(command, "result", body)

    def _report(self, command: Command, kind: str, body: dict[str, Any]) -> None:
        response = self._post(command, kind, body)
        if response.status != http.HTTPStatus.OK:
            raise RequestRejected(response.status, *response.detail())

    def _post(self, command: Command, kind: str, body: dict[str, Any]) -> _Response:
        with self._reporting:
            path = f"/api/v1/device/commands/{command.id}/{kind}"
            return self._reports.request("POST", path, body)

    def _remember(self, command_id: str) -> None:
        self._accepted.add(command_id)
        if self._journal is not None:
            with self._journal.open("a", encoding="ascii") as file:
                file.write(f"{command_id}\n")
                file.flush()
                os.fsync(file.fileno())


def _journal_ids(path: Path) -> set[str]:
    """Return the ids in a journal; shorten it to the newest."""
    if not path.exists():
        return set()
    text = path.read_text(encoding="ascii", errors="replace")
    ids = text.split()[-_MAX_JOURNAL_IDS:]
    # A line that was cut off by a crash must not swallow the next id.
    shortened = path.with_name(f"{path.name}.new")
    shortened.write_text("".join(f"{command_id}\n" for command_id in ids), encoding="ascii")
    shortened.replace(path)
    return set(ids)


def claim(url: str, code: str, key_file: str | Path, *, timeout: float = 10.0) -> str:
    """Exchange a claim code for an API key; return the robot's name.

    The file is created first, readable by its owner alone: a code works once, so its key must not
    be lost because it cannot be stored.

    Args:
        url: Scheme, host and port of the server, and the path prefix of the platform, if any.
        code: Claim code of the robot's page.
        key_file: New file for the key.
        timeout: Seconds to wait for the response.

    Raises:
        FileExistsError: The file exists: the robot has a key.
        ServerUnavailable: Try again later. If the response was lost, the page of the robot shows
            a key that was not used: revoke it and create another code.
        RequestRejected: The code is invalid, or the plan allows no further API key.
        ValueError: The URL is not http or https.
    """
    connection = ServerConnection(url, None, timeout=timeout)
    path = Path(key_file)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            claimed = _exchange_code(connection, code)
            file.write(claimed["key"] + "\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        connection.close()
    return str(claimed["robot_name"])


def _exchange_code(connection: ServerConnection, code: str) -> dict[str, Any]:
    response = connection.request("POST", "/api/v1/device/claim", {"code": code})
    if response.status != http.HTTPStatus.CREATED or not isinstance(response.body, dict):
        raise RequestRejected(response.status, *response.detail())
    return response.body


def main(arguments: Sequence[str] | None = None) -> None:
    """Exchange a claim code, and report that the robot is online."""
    parser = argparse.ArgumentParser(description="Connect this robot to its fleet.")
    parser.add_argument("--server", required=True, help="address, such as https://fleet.example")
    parser.add_argument("--claim", required=True, metavar="CODE", help="claim code of the robot")
    parser.add_argument("--key-file", default="robot.key", help="new file for the API key")
    options = parser.parse_args(arguments)
    try:
        name = claim(options.server, options.claim, options.key_file)
    except FileExistsError:
        sys.exit(f"{options.key_file} exists: this robot has a key. Choose another --key-file.")
    except (OSError, RequestRejected, ServerUnavailable, ValueError) as error:
        sys.exit(f"The robot was not connected: {error}")
    print(f"This is {name}. Its API key is in {options.key_file}.")  # noqa: T201 - a command
    client = RobotClient(options.server, Path(options.key_file).read_text(encoding="ascii").strip())
    try:
        client.post_status("online")
    except (RequestRejected, ServerUnavailable) as error:
        sys.exit(f"The status could not be reported: {error}")
    finally:
        client.close()


if __name__ == "__main__":
    main()
