"""Redis behind a circuit breaker: short timeouts, pauses after errors.

Without the pause every command would wait for its own timeout while Redis hangs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

_OPEN_SECONDS = 2.0

_Reply = TypeVar("_Reply")


class CircuitBreaker:
    """Skips Redis for two seconds after an error, in this process."""

    def __init__(self) -> None:
        """Start closed: commands are sent."""
        self._until = 0.0

    def __bool__(self) -> bool:
        """Return whether the breaker is open, so that Redis must be skipped."""
        return time.monotonic() < self._until

    def trip(self) -> None:
        """Open the breaker for two seconds."""
        self._until = time.monotonic() + _OPEN_SECONDS

    def reset(self) -> None:
        """Close the breaker."""
        self._until = 0.0


class GuardedRedis:
    """The process's Redis connections behind a circuit breaker."""

    def __init__(self, url: str) -> None:
        """Create the pool; it connects on the first command."""
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=0.25,
            socket_timeout=0.5,
            retry=Retry(NoBackoff(), 0),
        )
        self.client = Redis(connection_pool=pool)
        self.breaker = CircuitBreaker()

    def call(self, command: Callable[[], _Reply], *, fallback: str) -> _Reply | None:
        """Return a command's reply, or None while Redis does not answer.

        Args:
            command: Function that uses `client`.
            fallback: Text for the log: what happens without a reply.
        """
        if self.breaker:
            return None
        try:
            return command()
        except (RedisError, OSError) as error:
            self.breaker.trip()
            logger.warning("Redis does not answer; %s: %s", fallback, error)
            return None
