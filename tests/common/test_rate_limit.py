from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.support.concurrency import run_concurrently
from urfmp.common.http.view_policy import policy_of, view_policy
from urfmp.common.redis import rate_limit
from urfmp.common.redis.rate_limit import RateLimit, RateLimitResult, hit, refund

UNREACHABLE = "redis://127.0.0.1:1/0"


@pytest.fixture
def without_redis(monkeypatch):
    unreachable = rate_limit._RedisRateLimits(UNREACHABLE)
    monkeypatch.setattr(rate_limit, "redis_rate_limits", lambda: unreachable)
    return unreachable


@pytest.fixture(params=["redis", "postgresql"])
def store(request, transactional_db, monkeypatch):
    """Run each test with both stores, with the other one disabled."""
    if request.param == "postgresql":
        request.getfixturevalue("without_redis")
    else:
        monkeypatch.setattr(rate_limit, "hit_database", None)
    return request.param


def test_hit_in_parallel_admits_exactly_the_limit(store):
    counter = RateLimit("a", 50)

    def outcome():
        return sum(hit(counter).admitted for _ in range(10))

    assert sum(run_concurrently(*[outcome] * 16)) == 50


def test_hit_counts_in_all_limits_or_none(store):
    narrow, wide = RateLimit("narrow", 2), RateLimit("wide", 5)
    answers = [hit(wide, narrow) for _ in range(4)]
    assert [a.admitted for a in answers] == [True, True, False, False]
    assert {a.limit for a in answers} == {2}
    assert [a.remaining for a in answers] == [1, 0, 0, 0]
    assert hit(wide) == RateLimitResult(True, 5, 2, 60)


def test_hit_lowered_limit_leaves_zero_remaining(store):
    assert [hit(RateLimit("a", 3)).remaining for _ in range(3)] == [2, 1, 0]
    lowered = hit(RateLimit("a", 1))
    assert (lowered.admitted, lowered.limit, lowered.remaining) == (False, 1, 0)


def test_hit_in_parallel_counts_in_all_limits_or_none(store):
    """Two narrow limits share a wide one, which never counts hits that they reject."""
    wide = RateLimit("wide", 1000)

    def outcome(name):
        return lambda: sum(hit(RateLimit(name, 20), wide).admitted for _ in range(10))

    assert sum(run_concurrently(*[outcome("one"), outcome("two")] * 5)) == 40
    assert hit(wide).remaining == 1000 - 41


def test_hit_opposite_orders_do_not_deadlock(store):
    one, two = RateLimit("one", 1000), RateLimit("two", 1000)
    forward, backward = lambda: hit(one, two), lambda: hit(two, one)

    def often(call):
        return lambda: all(call().admitted for _ in range(20))

    assert run_concurrently(*[often(forward), often(backward)] * 4) == [True] * 8


def test_hit_steady_sender_below_limit_is_always_admitted(store):
    """1 Hz under 100 a minute, run sixty times as fast; an extended window rejects the 11th."""
    counter = RateLimit("steady", 10, seconds=1)
    for sent in range(20):
        assert hit(counter).admitted, sent
        time.sleep(0.125)


def test_hit_rejected_does_not_extend_window(store):
    counter = RateLimit("hammered", 3, seconds=1)
    begin = time.monotonic()
    assert [hit(counter).admitted for _ in range(4)] == [True] * 3 + [False]
    while not (decision := hit(counter)).admitted:
        assert decision.reset_seconds == 1
        assert time.monotonic() < begin + 10
        time.sleep(0.02)
    assert time.monotonic() - begin >= 0.9
    assert decision.remaining == 2


def test_hit_rejected_opens_no_window(store):
    full, other = RateLimit("full", 0), RateLimit("other", 3)
    assert not hit(full, other).admitted
    time.sleep(1.1)
    assert hit(other) == RateLimitResult(True, 3, 2, 60)


def test_refund_undoes_hit(store):
    one, three = RateLimit("one", 1), RateLimit("three", 3)
    for _ in range(5):
        assert hit(one, three).admitted
        refund("one", "three")
    assert hit(three).remaining == 2
    refund("one", "nothing")
    assert hit(one, three) == RateLimitResult(True, 1, 0, 60)
    assert not hit(one).admitted
    assert hit(three).remaining == 0


def test_refund_keeps_window(store):
    counter = RateLimit("a", 3, seconds=2)
    begin = time.monotonic()
    assert [hit(counter).admitted for _ in range(3)] == [True] * 3
    time.sleep(1)
    refund("a")
    assert hit(counter).admitted
    while not hit(counter).admitted:
        assert time.monotonic() < begin + 2.9
        time.sleep(0.02)


def test_hit_changed_limit_applies_immediately(store):
    assert hit(RateLimit("a", 1)).admitted
    assert not hit(RateLimit("a", 1)).admitted
    assert hit(RateLimit("a", 3)).remaining == 1


def test_hit_returns_the_tightest_limit(store):
    assert hit(RateLimit("a", 10, seconds=60), RateLimit("b", 3, seconds=900)).limit == 3
    assert hit(RateLimit("a", 2, seconds=60), RateLimit("b", 3, seconds=900)).limit == 2
    refused = hit(RateLimit("a", 2, seconds=60), RateLimit("b", 2, seconds=900))
    assert not refused.admitted
    assert refused.headers() == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "900",  # the longest wait of those that are full
        "Retry-After": "900",
    }


@pytest.mark.django_db
def test_hit_store_change_opens_one_new_window(monkeypatch):
    counter = RateLimit("a", 3)
    there = rate_limit.redis_rate_limits()
    assert sum(hit(counter).admitted for _ in range(5)) == 3
    unreachable = rate_limit._RedisRateLimits(UNREACHABLE)
    with monkeypatch.context() as patch:
        patch.setattr(rate_limit, "redis_rate_limits", lambda: unreachable)
        assert sum(hit(counter).admitted for _ in range(5)) == 3
    assert rate_limit.redis_rate_limits() is there
    assert not hit(counter).admitted


@pytest.mark.django_db
def test_circuit_breaker_skips_redis_after_error(without_redis, monkeypatch):
    hit(RateLimit("a", 3))
    monkeypatch.setattr(without_redis, "_script", None)
    assert hit(RateLimit("a", 3)).remaining == 1
    without_redis.breaker.reset()
    with pytest.raises(TypeError):
        hit(RateLimit("a", 3))


@pytest.mark.django_db(transaction=True)
def test_delete_expired_windows_deletes_counters(without_redis):
    hit(RateLimit("short", 5, seconds=0))
    hit(RateLimit("long", 5, seconds=60))
    assert rate_limit.delete_expired_windows() >= 1
    assert rate_limit.delete_expired_windows() == 0
    assert hit(RateLimit("long", 5, seconds=60)).remaining == 3


def test_runtime_role_cannot_access_counters_table(app_cursor):
    app_cursor.execute(
        "SELECT has_table_privilege('rate_limit_counters', 'SELECT, INSERT, UPDATE, DELETE')"
    )
    assert app_cursor.fetchone() == (False,)


def test_view_policy_rate_limit_exempt_applies_to_views_and_handlers():
    @view_policy(rate_limit_exempt=True)
    def stop(request):
        """Ask for a stop."""

    views = SimpleNamespace(cls=SimpleNamespace(stop=stop, read=len), actions={"post": "stop"})
    assert policy_of(stop, "POST").rate_limit_exempt
    assert policy_of(views, "POST").rate_limit_exempt
    assert not policy_of(views, "GET").rate_limit_exempt
    plain = SimpleNamespace(cls=SimpleNamespace(post=stop))
    assert policy_of(plain, "POST").rate_limit_exempt
    assert not policy_of(plain, "GET").rate_limit_exempt
    assert not policy_of(len, "POST").rate_limit_exempt
    assert not policy_of(len, None).rate_limit_exempt
