"""The registry of robots that wait for commands."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from urfmp.live.commands.waiting import MAX_POLLS_PER_SECOND, WaitingRobots
from urfmp.live.http.errors import HttpError

ORGANIZATION, ROBOT = uuid.uuid4(), uuid.uuid4()


def error_of(context):
    with pytest.raises(HttpError) as raised, context:
        pass
    return raised.value.status, raised.value.code, raised.value.retry_after


def test_wake_ends_only_the_wait_of_its_robot():
    async def run():
        waiting = WaitingRobots()
        with (
            waiting.waiter(ORGANIZATION, ROBOT) as one,
            waiting.waiter(ORGANIZATION, uuid.uuid4()) as other,
        ):
            waiting.wake(ROBOT)
            waiting.wake(uuid.uuid4())
            await asyncio.wait_for(one.wait(), 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.wait(), 0.01)
            waiting.wake_all()
            await asyncio.wait_for(one.wait(), 1)
            await asyncio.wait_for(other.wait(), 1)

    asyncio.run(run())


def test_newer_poll_supersedes_and_keeps_its_place():
    waiting = WaitingRobots()
    with waiting.waiter(ORGANIZATION, ROBOT) as older:
        newer_context = waiting.waiter(ORGANIZATION, ROBOT)
        newer = newer_context.__enter__()
        assert older.is_superseded
    assert not newer.is_superseded
    assert waiting.organizations() == {ORGANIZATION}
    newer_context.__exit__(None, None, None)
    assert waiting.organizations() == set()


def test_frequent_polls_of_a_robot_are_rejected_alone(monkeypatch):
    now = 100.0
    monkeypatch.setattr("urfmp.live.commands.waiting.time.monotonic", lambda: now)
    waiting = WaitingRobots()
    for _ in range(MAX_POLLS_PER_SECOND):
        with waiting.waiter(ORGANIZATION, ROBOT):
            pass
    assert error_of(waiting.waiter(ORGANIZATION, ROBOT)) == (429, "rate_limited", 1)
    with waiting.waiter(ORGANIZATION, uuid.uuid4()):
        pass
    now += 1.0
    with waiting.waiter(ORGANIZATION, ROBOT):
        pass


def test_full_or_closing_process_rejects_polls():
    waiting = WaitingRobots(max_waiting=1)
    with waiting.reserve():
        assert error_of(waiting.reserve()) == (503, "busy", 2)
    with waiting.reserve(), waiting.waiter(ORGANIZATION, ROBOT) as waiter:
        waiting.close()
        assert waiter.is_superseded
    assert error_of(waiting.reserve()) == (503, "busy", 2)
    assert error_of(waiting.waiter(ORGANIZATION, ROBOT)) == (503, "busy", 1)


def test_robot_that_is_woken_before_it_waits_does_not_wait():
    """A command may be created while the robot's key is verified."""

    async def run():
        waiting = WaitingRobots()
        waiting.wake(ROBOT)
        with waiting.waiter(ORGANIZATION, ROBOT) as waiter:
            await asyncio.wait_for(waiter.wait(), 1)
        with waiting.waiter(ORGANIZATION, ROBOT) as waiter, pytest.raises(TimeoutError):
            await asyncio.wait_for(waiter.wait(), 0.01)

    asyncio.run(run())
