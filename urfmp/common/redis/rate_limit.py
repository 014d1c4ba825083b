"""Rate limits with fixed windows, exact across all processes.

The first hit opens a window and nothing extends it, so a client that stays below the limit is never
rejected. Several limits are checked in one step: either all of them count the hit or none does.

Redis stores the counters, and its clock decides. While Redis does not answer, PostgreSQL counts as
exactly, in counters of its own. Each switch between the two opens new windows, so at most one more
window's hits are admitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection

from urfmp.common.redis.circuit_breaker import GuardedRedis

# ARGV: limit and window (ms) of each key. The script reads all counters first and increments them
# only if every one is below its limit. A key without an expiry gets one.
_HIT_SCRIPT = """
local admitted, answer = 1, {}
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[2 * i - 1]) then admitted = 0 end
end
for i, key in ipairs(KEYS) do
  local hits
  if admitted == 1 then
    hits = redis.call('INCR', key)
  else
    hits = tonumber(redis.call('GET', key) or 0)
  end
  local rest = redis.call('PTTL', key)
  if rest == -1 then redis.call('PEXPIRE', key, ARGV[2 * i]) end
  if rest < 0 then rest = tonumber(ARGV[2 * i]) end
  answer[2 * i] = hits
  answer[2 * i + 1] = rest
end
answer[1] = admitted
return answer
"""

_REFUND_SCRIPT = """
for _, key in ipairs(KEYS) do
  local hits = tonumber(redis.call('GET', key) or 0)
  if hits > 1 then redis.call('DECR', key) elseif hits == 1 then redis.call('DEL', key) end
end
return 1
"""


@dataclass(frozen=True)
class RateLimit:
    """A limit on how often something may happen in a window.

    Attributes:
        name: Name of the counter, built from ids of the server and never from client input.
        limit: Maximum hits in one window; 0 or less admits none.
        seconds: Length of a window.
    """

    name: str
    limit: int
    seconds: int = 60


@dataclass(frozen=True)
class RateLimitResult:
    """The outcome of a hit, and the tightest limit after it.

    Attributes:
        admitted: Whether the hit was counted; False if a limit was reached.
        limit: Maximum hits in a window of the tightest limit.
        remaining: Hits left in its current window.
        reset_seconds: Whole seconds until that window ends, at least 1.
    """

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the RateLimit headers, and Retry-After if the hit was rejected."""
        fields = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }
        return fields if self.admitted else {**fields, "Retry-After": str(self.reset_seconds)}


def hit(*counters: RateLimit) -> RateLimitResult:
    """Count a hit in all limits, or none if one is reached.

    Takes one round trip to Redis. Without Redis it takes one PostgreSQL statement, which locks the
    counters' rows until the open transaction ends: call it outside of a transaction where that
    matters.

    Args:
        counters: At least one limit, with different names.
    """
    found = redis_rate_limits().hit(counters)
    return _tightest_result(counters, *(hit_database(counters) if found is None else found))


def refund(*names: str) -> None:
    """Undo one hit of each counter, because the attempt had no effect.

    Redis undoes the hit or, without Redis, PostgreSQL. If the store changed since the hit was
    counted, it may stay counted.

    Args:
        names: Names of the counters.
    """
    if not redis_rate_limits().refund(names):
        refund_database(*names)


def refund_database(*names: str) -> None:
    """Undo one hit of each of PostgreSQL's counters."""
    with connection.cursor() as cursor:
        keys = [settings.RATE_LIMIT_PREFIX + name for name in names]
        cursor.execute("SELECT rate_limit_give_back(%s)", [keys])


def _tightest_result(
    counters: Sequence[RateLimit], admitted: bool, states: list[tuple[int, float]]
) -> RateLimitResult:
    """Return the state of the tightest limit.

    That is the one with the fewest hits left and, of several, the longest wait.
    """
    remaining, _, reset_seconds, limit = min(
        (max(counter.limit - hits, 0), -seconds, max(ceil(seconds), 1), counter.limit)
        for counter, (hits, seconds) in zip(counters, states, strict=True)
    )
    return RateLimitResult(admitted, limit, remaining, reset_seconds)


class _RedisRateLimits(GuardedRedis):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._script = self.client.register_script(_HIT_SCRIPT)
        self._refund_script = self.client.register_script(_REFUND_SCRIPT)

    def hit(self, counters: Sequence[RateLimit]) -> tuple[bool, list[tuple[int, float]]] | None:
        """Count a hit in Redis.

        Returns:
            Whether it was admitted, and each counter's hits and seconds left; None without Redis.
        """
        keys = [settings.RATE_LIMIT_PREFIX + counter.name for counter in counters]
        numbers = [part for c in counters for part in (c.limit, c.seconds * 1000)]
        reply = self.call(
            lambda: self._script(keys=keys, args=numbers),
            fallback="PostgreSQL counts instead",
        )
        if reply is None:
            return None
        admitted, *rest = reply
        pairs = zip(rest[::2], rest[1::2], strict=True)
        return admitted == 1, [(hits, rest_ms / 1000) for hits, rest_ms in pairs]

    def refund(self, names: Sequence[str]) -> bool:
        """Undo a hit of each counter; return whether Redis did."""
        keys = [settings.RATE_LIMIT_PREFIX + name for name in names]
        reply = self.call(
            lambda: self._refund_script(keys=keys), fallback="PostgreSQL refunds instead"
        )
        return reply is not None


@cache
def redis_rate_limits() -> _RedisRateLimits:
    """Return the process's counters in Redis."""
    return _RedisRateLimits(settings.REDIS_URL)


def hit_database(counters: Sequence[RateLimit]) -> tuple[bool, list[tuple[int, float]]]:
    """Count a hit in PostgreSQL.

    Returns whether it was admitted, and each counter's hits and seconds left.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT admitted, hits, seconds_left FROM rate_limit_take(%s, %s, %s)",
            [
                [settings.RATE_LIMIT_PREFIX + counter.name for counter in counters],
                [counter.limit for counter in counters],
                [counter.seconds for counter in counters],
            ],
        )
        rows: list[Any] = cursor.fetchall()
    return rows[0][0], [(hits, seconds) for _, hits, seconds in rows]


def delete_expired_windows() -> int:
    """Delete PostgreSQL's counters of expired windows; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rate_limit_clean_up()")
        return int(cursor.fetchone()[0])
