"""Count requests, sign-ins and the like in fixed windows, exactly, over all processes.

A window is opened by its first hit and never extended: who sends steadily below the limit is never
refused. Several counters are asked in one step: either each of them takes the hit or none does.

Redis keeps the counters and its clock decides. When it does not answer PostgreSQL keeps them, in
counters of its own, as exactly. A change from one to the other begins new windows, so that at most
one further window's hits get in each time.
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

# ARGV holds limit and window (ms) of each key. First all are read; they are raised only if each
# has room. A key without an end could only come from outside: it gets one.
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
    """What is counted, and how often it may happen.

    Attributes:
        name: Whose counter it is; made of ids that the server knows, of nothing a client chooses.
        limit: Hits in one window; none get in at 0 or below.
        seconds: Length of a window.
    """

    name: str
    limit: int
    seconds: int = 60


@dataclass(frozen=True)
class RateLimitResult:
    """Whether a hit was counted, and how the tightest of its counters stands afterwards.

    Attributes:
        admitted: False: no counter took the hit.
        limit: The tightest counter's hits in one window.
        remaining: How many more it takes in this one.
        reset_seconds: Whole seconds until the window ends, at least 1.
    """

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the RateLimit header fields, and Retry-After for a refusal."""
        fields = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }
        return fields if self.admitted else {**fields, "Retry-After": str(self.reset_seconds)}


def hit(*counters: RateLimit) -> RateLimitResult:
    """Count one hit in every counter, or in none when one of them is full.

    One round trip to Redis. Without Redis it is one statement of PostgreSQL, which holds the
    counters' rows until the open transaction ends: call it outside of one where it matters.

    Args:
        counters: At least one; their names differ.
    """
    found = _redis_rate_limits().hit(counters)
    return _tightest_result(counters, *(_hit_database(counters) if found is None else found))


def refund(*names: str) -> None:
    """Take back one hit of each counter, which `take` has just counted: nothing came of it.

    Redis takes it back, or without it PostgreSQL, as with `take`. Where the one has counted and
    the other is asked, for a moment at a change between them, the hit may stay counted.

    Args:
        names: Of the counters.
    """
    if not _redis_rate_limits().refund(names):
        with connection.cursor() as cursor:
            keys = [settings.RATE_LIMIT_PREFIX + name for name in names]
            cursor.execute("SELECT rate_limit_give_back(%s)", [keys])


def _tightest_result(
    counters: Sequence[RateLimit], admitted: bool, states: list[tuple[int, float]]
) -> RateLimitResult:
    """Return what the counter says that has least room, and of several the longest wait."""
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
        """Return whether all took the hit, and each one's hits and seconds; None without Redis."""
        keys = [settings.RATE_LIMIT_PREFIX + counter.name for counter in counters]
        numbers = [part for c in counters for part in (c.limit, c.seconds * 1000)]
        answer = self.call(
            lambda: self._script(keys=keys, args=numbers),
            fallback="PostgreSQL counts meanwhile",
        )
        if answer is None:
            return None
        admitted, *rest = answer
        pairs = zip(rest[::2], rest[1::2], strict=True)
        return admitted == 1, [(hits, rest_ms / 1000) for hits, rest_ms in pairs]

    def refund(self, names: Sequence[str]) -> bool:
        """Take a hit of each counter back; tell whether Redis did."""
        keys = [settings.RATE_LIMIT_PREFIX + name for name in names]
        answer = self.call(
            lambda: self._refund_script(keys=keys), fallback="PostgreSQL counts meanwhile"
        )
        return answer is not None


@cache
def _redis_rate_limits() -> _RedisRateLimits:
    return _RedisRateLimits(settings.REDIS_URL)


def _hit_database(counters: Sequence[RateLimit]) -> tuple[bool, list[tuple[int, float]]]:
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
    """Delete PostgreSQL's counters whose windows are over; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rate_limit_clean_up()")
        return int(cursor.fetchone()[0])
