from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.support.concurrency import run_concurrently
from urfmp.common.http.view_policy import policy_of, view_policy
from urfmp.common.redis import rate_limit
from urfmp.common.redis.rate_limit import RateLimit, RateLimitResult, hit, refund

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def without_redis(monkeypatch):
    gone = rate_limit._RedisRateLimits(NOBODY)
    monkeypatch.setattr(rate_limit, "redis_rate_limits", lambda: gone)
    return gone


@pytest.fixture(params=["redis", "postgresql"])
def store(request, transactional_db, monkeypatch):
    """Each test with both places; the one never counts for the other by accident."""
    if request.param == "postgresql":
        request.getfixturevalue("without_redis")
    else:
        monkeypatch.setattr(rate_limit, "hit_database", None)
    return request.param


def test_exactly_the_limit_gets_in_however_parallel(store):
    counter = RateLimit("a", 50)

    def outcome():
        return sum(hit(counter).admitted for _ in range(10))

    assert sum(run_concurrently(*[outcome] * 16)) == 50


def test_every_counter_takes_the_hit_or_none(store):
    narrow, wide = RateLimit("narrow", 2), RateLimit("wide", 5)
    answers = [hit(wide, narrow) for _ in range(4)]
    assert [a.admitted for a in answers] == [True, True, False, False]
    assert {a.limit for a in answers} == {2}
    assert [a.remaining for a in answers] == [1, 0, 0, 0]
    assert hit(wide) == RateLimitResult(True, 5, 2, 60)


def test_a_limit_that_was_lowered_leaves_nothing_and_no_less(store):
    assert [hit(RateLimit("a", 3)).remaining for _ in range(3)] == [2, 1, 0]
    lowered = hit(RateLimit("a", 1))
    assert (lowered.admitted, lowered.limit, lowered.remaining) == (False, 1, 0)


def test_both_or_none_under_parallel_load(store):
    """Two narrow counters share a wide one: it never takes what they refuse."""
    wide = RateLimit("wide", 1000)

    def outcome(name):
        return lambda: sum(hit(RateLimit(name, 20), wide).admitted for _ in range(10))

    assert sum(run_concurrently(*[outcome("one"), outcome("two")] * 5)) == 40
    assert hit(wide).remaining == 1000 - 41


def test_opposite_orders_do_not_wait_for_each_other(store):
    one, two = RateLimit("one", 1000), RateLimit("two", 1000)
    forward, backward = lambda: hit(one, two), lambda: hit(two, one)

    def often(call):
        return lambda: all(call().admitted for _ in range(20))

    assert run_concurrently(*[often(forward), often(backward)] * 4) == [True] * 8


def test_a_steady_sender_below_the_limit_is_never_refused(store):
    """1 Hz under 100 a minute, run sixty times as fast; an extended window refuses the 11th."""
    counter = RateLimit("steady", 10, seconds=1)
    for sent in range(20):
        assert hit(counter).admitted, sent
        time.sleep(0.125)


def test_refused_hits_extend_nothing(store):
    counter = RateLimit("hammered", 3, seconds=1)
    begin = time.monotonic()
    assert [hit(counter).admitted for _ in range(4)] == [True] * 3 + [False]
    while not (decision := hit(counter)).admitted:
        assert decision.reset_seconds == 1
        assert time.monotonic() < begin + 10
        time.sleep(0.02)
    assert time.monotonic() - begin >= 0.9
    assert decision.remaining == 2


def test_a_refused_hit_opens_no_window(store):
    full, other = RateLimit("full", 0), RateLimit("other", 3)
    assert not hit(full, other).admitted
    time.sleep(1.1)
    assert hit(other) == RateLimitResult(True, 3, 2, 60)


def test_what_is_given_back_was_never_taken(store):
    one, three = RateLimit("one", 1), RateLimit("three", 3)
    for _ in range(5):
        assert hit(one, three).admitted
        refund("one", "three")
    assert hit(three).remaining == 2
    refund("one", "nothing")
    assert hit(one, three) == RateLimitResult(True, 1, 0, 60)
    assert not hit(one).admitted
    assert hit(three).remaining == 0


def test_giving_back_leaves_the_window_as_it_is(store):
    counter = RateLimit("a", 3, seconds=2)
    begin = time.monotonic()
    assert [hit(counter).admitted for _ in range(3)] == [True] * 3
    time.sleep(1)
    refund("a")
    assert hit(counter).admitted
    while not hit(counter).admitted:
        assert time.monotonic() < begin + 2.9
        time.sleep(0.02)


def test_another_limit_counts_at_once(store):
    assert hit(RateLimit("a", 1)).admitted
    assert not hit(RateLimit("a", 1)).admitted
    assert hit(RateLimit("a", 3)).remaining == 1


def test_the_tightest_counter_speaks(store):
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
def test_each_change_of_place_begins_one_new_window(monkeypatch):
    counter = RateLimit("a", 3)
    there = rate_limit.redis_rate_limits()
    assert sum(hit(counter).admitted for _ in range(5)) == 3
    gone = rate_limit._RedisRateLimits(NOBODY)
    with monkeypatch.context() as patch:
        patch.setattr(rate_limit, "redis_rate_limits", lambda: gone)
        assert sum(hit(counter).admitted for _ in range(5)) == 3
    assert rate_limit.redis_rate_limits() is there
    assert not hit(counter).admitted


@pytest.mark.django_db
def test_redis_is_left_alone_after_a_failure(without_redis, monkeypatch):
    hit(RateLimit("a", 3))
    monkeypatch.setattr(without_redis, "_script", None)
    assert hit(RateLimit("a", 3)).remaining == 1
    without_redis.breaker.reset()
    with pytest.raises(TypeError):
        hit(RateLimit("a", 3))


@pytest.mark.django_db(transaction=True)
def test_old_windows_are_forgotten(without_redis):
    hit(RateLimit("short", 5, seconds=0))
    hit(RateLimit("long", 5, seconds=60))
    assert rate_limit.delete_expired_windows() >= 1
    assert rate_limit.delete_expired_windows() == 0
    assert hit(RateLimit("long", 5, seconds=60)).remaining == 3


def test_run_time_role_reaches_counters_by_the_functions_alone(app_cursor):
    app_cursor.execute(
        "SELECT has_table_privilege('rate_limit_counters', 'SELECT, INSERT, UPDATE, DELETE')"
    )
    assert app_cursor.fetchone() == (False,)


def test_views_can_be_kept_free_of_limits():
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
