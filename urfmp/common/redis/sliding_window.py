"""Limit hits in a sliding window, exactly, across all processes.

At most `limit` hits are admitted in any period of the window's length. A fixed window as in
`rate_limit` admits up to twice as many around its end, which matters where the limit is small.

Redis keeps a log of the admitted hits, and its clock decides. While it is unavailable, PostgreSQL
keeps as many counters of one hit each. A change between the two starts a new window.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from uuid import uuid4

from django.conf import settings

from urfmp.common.redis import rate_limit

# KEYS: the log. ARGV: limit, window in seconds, id of the hit. Returns 0 if the hit was admitted,
# else the microseconds until the next one is. The log outlives its last hit by a second, because
# Redis expires keys by the millisecond.
_HIT_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), ARGV[2] * 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
local hits = redis.call('ZCARD', KEYS[1])
if hits < limit then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[2] + 1)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], hits - limit, hits - limit, 'WITHSCORES')
return math.max((oldest[2] or now) + window - now, 1)
"""

_FALLBACK = "PostgreSQL counts meanwhile"


@dataclass(frozen=True)
class SlidingWindow:
    """A limit on hits within a sliding window.

    Attributes:
        name: Name of the log; made of ids that the server knows, never of client input.
        limit: Maximum number of hits in any period of the window's length; at least 1.
        seconds: Length of the window.
    """

    name: str
    limit: int
    seconds: int


@dataclass(frozen=True)
class SlidingWindowResult:
    """Outcome of a hit.

    Attributes:
        admitted: Whether the hit was counted.
        reset_seconds: Whole seconds until the next hit is admitted, at least 1; 0 if this one was.
        hit_id: Id of the hit for `refund`, in Redis.
        counter_name: Name of the counter for `refund`, in PostgreSQL.
    """

    admitted: bool
    reset_seconds: int = 0
    hit_id: str = ""
    counter_name: str = ""


def hit(window: SlidingWindow) -> SlidingWindowResult:
    """Count one hit unless the window is full.

    One round trip to Redis. Without Redis, up to `limit` statements of PostgreSQL, which lock
    their rows until the open transaction ends.
    """
    hit_id = uuid4().hex
    redis = rate_limit.redis_rate_limits()
    script = redis.client.register_script(_HIT_SCRIPT)
    wait: int | None = redis.call(
        lambda: script(keys=[_key(window)], args=[window.limit, window.seconds, hit_id]),
        fallback=_FALLBACK,
    )
    if wait is None:
        return _hit_database(window)
    if wait == 0:
        return SlidingWindowResult(True, hit_id=hit_id)
    return SlidingWindowResult(False, max(ceil(wait / 1_000_000), 1))


def refund(window: SlidingWindow, result: SlidingWindowResult) -> None:
    """Undo an admitted hit that must not count: a right password.

    If Redis admitted it and has become unavailable since, the hit stays counted.
    """
    if result.counter_name:
        rate_limit.refund_database(result.counter_name)
        return
    redis = rate_limit.redis_rate_limits()
    redis.call(lambda: redis.client.zrem(_key(window), result.hit_id), fallback=_FALLBACK)


def _key(window: SlidingWindow) -> str:
    return f"{settings.RATE_LIMIT_PREFIX}{window.name}:log"


def _hit_database(window: SlidingWindow) -> SlidingWindowResult:
    waits = []
    for number in range(window.limit):
        counter = rate_limit.RateLimit(f"{window.name}:{number}", 1, window.seconds)
        admitted, [(_, seconds_left)] = rate_limit.hit_database([counter])
        if admitted:
            return SlidingWindowResult(True, counter_name=counter.name)
        waits.append(max(ceil(seconds_left), 1))
    return SlidingWindowResult(False, min(waits))
