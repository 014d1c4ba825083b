"""The client that a robot's controller runs: one file of the standard library, made to be copied.

    client = RobotClient("https://fleet.example", key)
    client.change_status("running")
    client.record("joint.1.current", 1.25, unit="A")
    client.flush()

`record` and `change_status` only put something into the queue; `flush` delivers what is in it,
oldest first, and leaves the rest there when the server is away or asks for time. A request whose
answer was lost is sent again as it was: the server stores a point once, however often it comes.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import time as clock
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NotRequired, Self, TypedDict
from urllib.parse import urlencode, urlsplit

# What the server takes in one request.
MAX_POINTS = 10_000
MAX_BODY_BYTES = 8 * 1024 * 1024

_LONGEST_PAUSE_SECONDS = 30.0
_TOO_LARGE = 413
_UNPROCESSABLE = 422
_WAIT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_KEY_STATUSES = frozenset({401, 403})


class Point(TypedDict):
    """One measured value. `time` is RFC 3339; the robot may be left out with a key bound to one."""

    metric_name: str
    value: float
    time: str
    unit: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    robot_id: NotRequired[str]
    serial_number: NotRequired[str]


class Rejection(TypedDict):
    """A point that the server did not store, by its place in the request, and why."""

    index: int
    code: str
    detail: str


class Unavailable(Exception):  # noqa: N818 - it is a state of the server, not an error of ours
    """The server is away or asks for time; the same request may be sent again later.

    Attributes:
        retry_after: Seconds that the server asked for; None when it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(Exception):  # noqa: N818 - an answer of the server
    """The server will not take this request, now or later.

    Attributes:
        status: HTTP status; 401 and 403 mean that the key does not fit.
        code: The stable code of the answer, empty when it had none.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}" if code else f"{status}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


@dataclass
class Receipt:
    """What became of points that were sent. Adding two sums them up.

    Attributes:
        accepted: Stored now.
        duplicate: Stored already, with the same value.
        rejected: Not stored. Each has the index that it had in its request.
        refused_status: Status changes that the server did not take, in its words.
    """

    accepted: int = 0
    duplicate: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    refused_status: list[str] = field(default_factory=list)

    def __iadd__(self, other: Receipt) -> Self:
        self.accepted += other.accepted
        self.duplicate += other.duplicate
        self.rejected += other.rejected
        self.refused_status += other.refused_status
        return self


def rfc3339(moment: datetime | None = None) -> str:
    """Write an aware time, or now, as the API reads it: UTC with microseconds.

    Raises:
        ValueError: The time has no timezone, so nobody could tell when it was.
    """
    moment = moment or datetime.now(UTC)
    if moment.tzinfo is None:
        msg = f"{moment} has no timezone."
        raise ValueError(msg)
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def retry_after_seconds(header: str | None) -> float | None:
    """Read a Retry-After header: seconds or a date. None when there is none to be read."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Any
    retry_after: float | None

    def detail(self) -> tuple[str, str]:
        """Return code and detail of a problem answer."""
        body = self.body if isinstance(self.body, dict) else {}
        return str(body.get("code", "")), str(body.get("detail") or "no reason given")


class RobotClient:
    """Talks to one server with one key over one connection. For one thread at a time.

    Attributes:
        dropped: Points given up, oldest first, because the queue was full.
    """

    def __init__(
        self, url: str, key: str, *, timeout: float = 10.0, queue_limit: int = 100_000
    ) -> None:
        """Prepare; nothing is sent before it is needed.

        Args:
            url: Scheme, host and port, and the path below which the platform lives, if any.
            key: The robot's API key.
            timeout: Seconds to wait for an answer.
            queue_limit: Points and status changes kept while the server is away.

        Raises:
            ValueError: The address is not http or https.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"{url} is not an address such as https://fleet.example."
            raise ValueError(msg)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._queue_limit = queue_limit
        self._not_before = 0.0
        self._failures = 0
        self.dropped = 0

    # What a program calls

    def record(
        self,
        metric_name: str,
        value: float,
        *,
        unit: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Put a measured value into the queue; without a time it was measured now."""
        point: dict[str, Any] = {
            "metric_name": metric_name,
            "time": rfc3339(time),
            "value": float(value),
        }
        if unit is not None:
            point["unit"] = unit
        if metadata is not None:
            point["metadata"] = metadata
        self._append("point", point)

    def change_status(
        self,
        status: str,
        *,
        reason: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Put a change of status into the queue, behind the points recorded before it."""
        self._append("status", _status_body(status, reason, time or datetime.now(UTC), metadata))

    @property
    def waiting(self) -> int:
        """How many points and status changes have not been delivered yet."""
        return len(self._queue)

    @property
    def pause_seconds(self) -> float:
        """How long the server has asked to be left alone, or we leave it alone."""
        return max(0.0, self._not_before - clock.monotonic())

    def flush(self) -> Receipt:
        """Deliver the queue, oldest first, as far as the server takes it. Does not wait for it.

        Raises:
            Refused: The key does not fit. Everything stays in the queue.
        """
        receipt = Receipt()
        limit = MAX_POINTS
        while self._queue and self.pause_seconds <= 0:
            kind = self._queue[0][0]
            try:
                limit = (
                    self._flush_status(receipt)
                    if kind == "status"
                    else (self._flush_points(receipt, limit))
                )
            except Unavailable as error:
                self._pause(error.retry_after)
                break
            self._failures = 0
        return receipt

    def drain(self, wait: Callable[[float], object] = clock.sleep) -> Receipt:
        """Deliver the whole queue, waiting for the server as often and as long as it asks for.

        Args:
            wait: Sleeps that many seconds; something true ends the delivery, as with Event.wait.

        Raises:
            Refused: The key does not fit.
        """
        receipt = self.flush()
        while self._queue:
            if wait(max(self.pause_seconds, 0.01)):
                break
            receipt += self.flush()
        return receipt

    def close(self) -> None:
        """Close the connection; the next request opens another one. The queue stays."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # One request, one attempt

    def post_telemetry(self, points: Sequence[Mapping[str, Any]]) -> Receipt:
        """Send points at once, past the queue.

        Raises:
            Unavailable: Send them again later.
            Refused: The whole request was refused: wrong key, too large, not understood.
        """
        answer = self._request("POST", "/api/v1/telemetry", {"points": points})
        body = answer.body
        if isinstance(body, dict) and answer.status in {200, _UNPROCESSABLE} and "rejected" in body:
            return Receipt(body.get("accepted", 0), body.get("duplicate", 0), body["rejected"])
        raise Refused(answer.status, *answer.detail())

    def post_status(
        self,
        status: str,
        *,
        reason: str | None = None,
        time: datetime | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        """Report a status at once, past the queue; return the one that is now shown.

        Raises:
            Unavailable: Report it again later.
            Refused: The server does not take it.
        """
        return self._post_status(_status_body(status, reason, time, metadata))

    def get(self, path: str, **query: str) -> Any:
        """Read something below `/api/v1/` and return the decoded answer.

        Raises:
            Unavailable: Ask again later.
            Refused: There is no such thing for this key.
        """
        address = f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._request("GET", address)
        if answer.status != http.HTTPStatus.OK:
            raise Refused(answer.status, *answer.detail())
        return answer.body

    # How it is done

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        if len(self._queue) >= self._queue_limit:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append((kind, body))

    def _flush_points(self, receipt: Receipt, limit: int) -> int:
        head = itertools.islice(self._queue, limit)
        points = [body for _, body in itertools.takewhile(lambda item: item[0] == "point", head)]
        try:
            receipt += self.post_telemetry(points)
        except Refused as error:
            if error.status in _KEY_STATUSES:
                raise
            if error.status == _TOO_LARGE and len(points) > 1:
                return len(points) // 2
            # Nothing would ever get past these points, so they are given up and reported.
            receipt.rejected += [
                {"index": index, "code": error.code or str(error.status), "detail": error.detail}
                for index in range(len(points))
            ]
        for _ in points:
            self._queue.popleft()
        return min(MAX_POINTS, limit * 2)

    def _flush_status(self, receipt: Receipt) -> int:
        try:
            self._post_status(self._queue[0][1])
        except Refused as error:
            if error.status in _KEY_STATUSES:
                raise
            receipt.refused_status.append(str(error))
        self._queue.popleft()
        return MAX_POINTS

    def _post_status(self, body: dict[str, Any]) -> str:
        answer = self._request("POST", "/api/v1/device/status", body)
        if answer.status != http.HTTPStatus.OK:
            raise Refused(answer.status, *answer.detail())
        return str(answer.body["status"]) if isinstance(answer.body, dict) else ""

    def _pause(self, retry_after: float | None) -> None:
        self._failures += 1
        if retry_after is None:
            # A fleet that lost its server must not come back in one moment.
            ceiling = min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(self._failures - 1, 10))
            retry_after = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        self._not_before = clock.monotonic() + retry_after

    def _request(self, method: str, path: str, body: Any = None) -> _Answer:
        data = None
        headers = self._headers
        if body is not None:
            data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            headers = {**headers, "Content-Type": "application/json"}
            if len(data) > MAX_BODY_BYTES:
                raise Refused(_TOO_LARGE, "too_large", f"The request has {len(data):,} bytes.")
        answer = self._exchange(method, self._path + path, data, headers)
        if answer.status in _WAIT_STATUSES:
            msg = f"The server answered {answer.status}: {answer.detail()[1]}"
            raise Unavailable(msg, answer.retry_after)
        return answer

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> _Answer:
        """Send and read over the kept connection, or once more over a new one if it was stale."""
        while True:
            was_kept = self._connection is not None
            try:
                return self._exchange_once(method, path, data, headers)
            except (http.client.HTTPException, OSError) as error:
                self.close()
                # Servers close idle connections without a word; that is no sign of trouble.
                if was_kept and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue
                reason = str(error) or type(error).__name__
                msg = f"The server does not answer: {reason}"
                raise Unavailable(msg) from error

    def _exchange_once(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> _Answer:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout)
        connection = self._connection
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        content = response.read()
        if response.will_close:
            self.close()
        try:
            decoded = json.loads(content) if content else None
        except ValueError:
            decoded = None
        return _Answer(
            response.status, decoded, retry_after_seconds(response.getheader("Retry-After"))
        )


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
