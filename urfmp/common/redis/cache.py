"""A cache that may vanish: every error of Redis counts as a miss."""

from __future__ import annotations

import logging
from typing import Any

from django_redis.cache import RedisCache  # type: ignore[import-untyped]
from django_redis.exceptions import ConnectionInterrupted  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from urfmp.common.redis.circuit_breaker import CircuitBreaker

logger = logging.getLogger(__name__)


class FailOpenRedisCache(RedisCache):
    """django-redis's cache, left alone for two seconds after each failure."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        """Build the client lazily, as django-redis does."""
        super().__init__(server, params)
        self._breaker = CircuitBreaker()

    def _forgiving(self, method: str, missing: Any, *args: Any, **kwargs: Any) -> Any:
        if self._breaker:
            return missing
        try:
            return getattr(self.client, method)(*args, **kwargs)
        except (ConnectionInterrupted, RedisError, OSError) as error:
            self._breaker.trip()
            logger.warning("Redis is not answering, going on without it: %s", error)
            return missing
        except ValueError:
            logger.warning("A cached value could not be read and counts as missing.")
            return missing

    def get(self, key: str, default: Any = None, **kwargs: Any) -> Any:
        """Return the cached value, or `default` when there is none or no Redis."""
        value = self._forgiving("get", default, key, default=default, **kwargs)
        return default if value is None else value

    def set(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value; False when Redis does not answer."""
        return self._forgiving("set", False, *args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        """Store a value unless there is one; False when Redis does not answer."""
        return self._forgiving("add", False, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Forget a value; False when Redis does not answer."""
        return self._forgiving("delete", False, *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        """Forget several values; 0 when Redis does not answer."""
        return self._forgiving("delete_many", 0, *args, **kwargs)
