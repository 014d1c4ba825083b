"""Share the threads and the interpreter of a process between organizations.

An organization that sends alone may use all of them. While others send as well, one that sends
without pause waits for its own requests, not the others for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from apps.telemetry.exceptions import OrganizationOverloadedError

# Half of the threads of a web process.
MAX_REQUESTS_BESIDE_OTHERS = 8
# A fleet that reports at the same moment is served sooner than this, without rejections.
MAX_WAIT_SECONDS_BESIDE_OTHERS = 0.25
# Robots that send rarely are to be served quickly, too.
ACTIVE_SECONDS = 30.0
_MAX_TURN_WAIT_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class _Turns:
    """The turns of one organization: one thread at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class FairShare:
    """Requests in progress, by organization, and whose turn it is to decode."""

    def __init__(
        self,
        max_requests: int = MAX_REQUESTS_BESIDE_OTHERS,
        max_wait_seconds: float = MAX_WAIT_SECONDS_BESIDE_OTHERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without requests.

        Args:
            max_requests: Requests in progress of an organization while others send.
            max_wait_seconds: How long its oldest request may be in progress before more than
                `max_requests` are rejected.
            clock: Returns the current time in seconds.
        """
        self._max_requests = max_requests
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        # When each request began; the oldest comes first.
        self._requests: dict[UUID, dict[object, float]] = {}
        self._last_request: dict[UUID, float] = {}
        self._turns: dict[UUID, _Turns] = {}

    @contextmanager
    def request(self, organization_id: UUID) -> Iterator[None]:
        """Count a request as in progress for the duration of a block.

        Raises:
            OrganizationOverloadedError: While others send, the organization has too many requests
                in progress, and they have been for too long.
        """
        token = object()
        with self._lock:
            now = self._last_request[organization_id] = self._clock()
            own = self._requests.setdefault(organization_id, {})
            if len(own) >= self._max_requests:
                is_late = now - next(iter(own.values())) > self._max_wait_seconds
                if is_late and not self._is_alone(organization_id, now):
                    raise OrganizationOverloadedError
            own[token] = now
        try:
            yield
        finally:
            with self._lock:
                del own[token]
                if not own:
                    del self._requests[organization_id]

    def is_alone(self, organization_id: UUID) -> bool:
        """Return whether no other organization has sent lately."""
        with self._lock:
            return self._is_alone(organization_id, self._clock())

    @contextmanager
    def turn(self, organization_id: UUID) -> Iterator[None]:
        """Wait for the organization's turn to decode, for a block.

        Decoding needs the interpreter, which only one thread has at a time: more threads of one
        organization would finish no sooner, and those of others would wait for each of them.

        Raises:
            OrganizationOverloadedError: The wait was too long.
        """
        with self._lock:
            turns = self._turns.setdefault(organization_id, _Turns())
            turns.users += 1
        try:
            if not turns.lock.acquire(timeout=_MAX_TURN_WAIT_SECONDS):
                raise OrganizationOverloadedError
            try:
                yield
            finally:
                turns.lock.release()
        finally:
            with self._lock:
                turns.users -= 1
                if not turns.users:
                    del self._turns[organization_id]

    def _is_alone(self, organization_id: UUID, now: float) -> bool:
        """Also forget organizations that no longer send. The caller holds the lock."""
        past = [one for one, at in self._last_request.items() if now - at > ACTIVE_SECONDS]
        for one in past:
            del self._last_request[one]
        return not self._last_request.keys() - {organization_id}


fair_share = FairShare()
"""The share of this process."""
