"""The shares of organizations that send at the same time, without a database."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.exceptions import OrganizationOverloadedError
from apps.telemetry.services.ingest import fair_share as module
from apps.telemetry.services.ingest.fair_share import ACTIVE_SECONDS, FairShare
from apps.telemetry.services.ingest.group_commit import MIN_POINTS_FOR_ANOTHER_GROUP, GroupCommitter
from tests.telemetry.test_group_commit import FakeWrite, Recorder, submit_all

A, B, C = uuid4(), uuid4(), uuid4()


class Clock:
    """A clock that tests move."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def share(clock):
    return FairShare(max_requests=2, max_wait_seconds=0.25, clock=clock)


def enter(stack, share, organization_id, number=1):
    for _ in range(number):
        stack.enter_context(share.request(organization_id))


def test_request_of_late_organization_beside_others_is_rejected(share, clock):
    with share.request(B):
        pass
    with ExitStack() as stack:
        enter(stack, share, A, 2)
        clock.now += 0.3
        with pytest.raises(OrganizationOverloadedError), share.request(A):
            pass
        enter(stack, share, B, 2)
    with share.request(A):
        pass


def test_request_of_organization_alone_is_never_rejected(share, clock):
    with share.request(B):
        pass
    clock.now += ACTIVE_SECONDS + 1
    with ExitStack() as stack:
        for _ in range(50):
            enter(stack, share, A)
            clock.now += 1


def test_simultaneous_requests_are_not_rejected(share, clock):
    with ExitStack() as stack:
        enter(stack, share, B)
        enter(stack, share, A, 50)
        clock.now += 0.2
        enter(stack, share, A, 50)


def test_quick_requests_are_not_rejected(share, clock):
    """The wait is that of a request, not the time since the organization was last idle."""
    with ExitStack() as stack:
        enter(stack, share, B)
        current = ExitStack()
        enter(current, share, A, 2)
        for _ in range(20):
            clock.now += 0.2
            following = ExitStack()
            enter(following, share, A, 2)
            current.close()
            current = following
        current.close()


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.floats(0, 0.5)), max_size=60), st.data())
def test_requests_match_a_plain_model(steps, data):
    clock = Clock()
    share = FairShare(max_requests=2, max_wait_seconds=0.25, clock=clock)
    open_requests: list[tuple[object, float, ExitStack]] = []
    last: dict[object, float] = {}
    for organization_id, pause in steps:
        clock.now += pause
        last[organization_id] = clock.now
        own = [began for one, began, _ in open_requests if one == organization_id]
        others = {one for one, at in last.items() if clock.now - at <= ACTIVE_SECONDS}
        is_rejected = (
            len(own) >= 2 and clock.now - min(own) > 0.25 and len(others - {organization_id}) > 0
        )
        stack = ExitStack()
        try:
            stack.enter_context(share.request(organization_id))
            open_requests.append((organization_id, clock.now, stack))
        except OrganizationOverloadedError:
            assert is_rejected
        else:
            assert not is_rejected
        if open_requests and data.draw(st.booleans()):
            open_requests.pop(data.draw(st.integers(0, len(open_requests) - 1)))[2].close()
    for _, _, stack in open_requests:
        stack.close()
    assert not share._requests


def test_turn_admits_one_thread_of_each_organization(share):
    entered, release = threading.Event(), threading.Event()

    def hold():
        with share.turn(A):
            entered.set()
            release.wait(20)

    def follow():
        with share.turn(A):
            order.append("A")

    order: list[str] = []
    threads = [threading.Thread(target=hold), threading.Thread(target=follow)]
    threads[0].start()
    assert entered.wait(20)
    threads[1].start()
    with share.turn(B):
        order.append("B")
    release.set()
    for thread in threads:
        thread.join(20)
    assert order == ["B", "A"]
    assert not share._turns


def test_turn_wait_is_bounded(share, monkeypatch):
    monkeypatch.setattr(module, "_MAX_TURN_WAIT_SECONDS", 0.01)
    with share.turn(A):
        with pytest.raises(OrganizationOverloadedError), share.turn(A):
            pass
        with share.turn(B):
            pass
    with share.turn(A):
        pass


def test_second_group_waits_while_others_send(share):
    recorder = Recorder()
    with share.request(B):
        committer = GroupCommitter(
            recorder.write_group, recorder.after_commit, is_alone=share.is_alone
        )
        submit_all(committer, [(A, FakeWrite("a", MIN_POINTS_FOR_ANOTHER_GROUP))] * 6)
    assert recorder.max_concurrent == 1
