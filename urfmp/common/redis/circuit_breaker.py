"""Redis, which may be away: short waits, and a pause after each failure.

Without the pause every question would wait for its own time-out while Redis hangs.
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

_REST_SECONDS = 2.0

_Answer = TypeVar("_Answer")


class Rest:
    """Two seconds in which a process leaves Redis alone."""

    def __init__(self) -> None:
        """Begin awake."""
        self._until = 0.0

    def __bool__(self) -> bool:
        """Tell whether Redis is left alone at this moment."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """Leave Redis alone from now on."""
        self._until = time.monotonic() + _REST_SECONDS

    def end(self) -> None:
        """Ask Redis again."""
        self._until = 0.0


class RestingRedis:
    """The process's connections to Redis, left alone for two seconds after each failure."""

    def __init__(self, url: str) -> None:
        """Connect when the first question comes."""
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=0.25,
            socket_timeout=0.5,
            retry=Retry(NoBackoff(), 0),
        )
        self.client = Redis(connection_pool=pool)
        self.rest = Rest()

    def ask(self, question: Callable[[], _Answer], *, otherwise: str) -> _Answer | None:
        """Return what a question to `client` returns; None while Redis does not answer.

        Args:
            question: What is asked.
            otherwise: For the log: what happens without an answer.
        """
        if self.rest:
            return None
        try:
            return question()
        except (RedisError, OSError) as error:
            self.rest.begin()
            logger.warning("Redis is not answering, %s: %s", otherwise, error)
            return None
