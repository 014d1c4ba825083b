"""A cache that fails open: every Redis error counts as a miss."""

from __future__ import annotations

import logging
from typing import Any

from django_redis.cache import RedisCache  # type: ignore[import-untyped]
from django_redis.exceptions import ConnectionInterrupted  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from urfmp.common.redis.circuit_breaker import CircuitBreaker

logger = logging.getLogger(__name__)


class FailOpenRedisCache(RedisCache):
    """django-redis's cache behind a circuit breaker."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        """Create the cache; django-redis connects on first use."""
        super().__init__(server, params)
        self._breaker = CircuitBreaker()

    def _fail_open(self, method: str, missing: Any, *args: Any, **kwargs: Any) -> Any:
        if self._breaker:
            return missing
        try:
            return getattr(self.client, method)(*args, **kwargs)
        except (ConnectionInterrupted, RedisError, OSError) as error:
            self._breaker.trip()
            logger.warning("Redis does not answer; continuing without it: %s", error)
            return missing
        except ValueError:
            logger.warning("A cached value is unreadable and counts as a miss.")
            return missing

    def get(self, key: str, default: Any = None, **kwargs: Any) -> Any:
        """Return the cached value, or `default` on a miss or without Redis."""
        value = self._fail_open("get", default, key, default=default, **kwargs)
        return default if value is None else value

    def set(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value; False when Redis does not answer."""
        return self._fail_open("set", False, *args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value unless one exists; False without Redis."""
        return self._fail_open("add", False, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Delete a value; False when Redis does not answer."""
        return self._fail_open("delete", False, *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        """Delete several values; 0 when Redis does not answer."""
        return self._fail_open("delete_many", 0, *args, **kwargs)
