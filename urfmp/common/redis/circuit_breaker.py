"""Redis, which may be away: short waits, and a pause after each failure.

Without the pause every command would wait for its own time-out while Redis hangs.
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
    """Two seconds in which a process leaves Redis alone."""

    def __init__(self) -> None:
        """Begin awake."""
        self._until = 0.0

    def __bool__(self) -> bool:
        """Tell whether Redis is left alone at this moment."""
        return time.monotonic() < self._until

    def trip(self) -> None:
        """Leave Redis alone from now on."""
        self._until = time.monotonic() + _OPEN_SECONDS

    def reset(self) -> None:
        """Ask Redis again."""
        self._until = 0.0


class GuardedRedis:
    """The process's connections to Redis, left alone for two seconds after each failure."""

    def __init__(self, url: str) -> None:
        """Connect when the first command comes."""
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=0.25,
            socket_timeout=0.5,
            retry=Retry(NoBackoff(), 0),
        )
        self.client = Redis(connection_pool=pool)
        self.breaker = CircuitBreaker()

    def call(self, command: Callable[[], _Reply], *, fallback: str) -> _Reply | None:
        """Return what a command to `client` returns; None while Redis does not answer.

        Args:
            command: What is asked.
            fallback: For the log: what happens without an answer.
        """
        if self.breaker:
            return None
        try:
            return command()
        except (RedisError, OSError) as error:
            self.breaker.trip()
            logger.warning("Redis is not answering, %s: %s", fallback, error)
            return None
