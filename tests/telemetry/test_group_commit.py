"""Group commit, with threads and without a database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from apps.telemetry.exceptions import BusyError
from apps.telemetry.services.ingest.group_commit import MIN_POINTS_FOR_ANOTHER_GROUP, GroupCommitter

A, B, C = uuid4(), uuid4(), uuid4()


@dataclass(eq=False)
class FakeWrite:
    name: str
    size: int = 20


class Recorder:
    """A slow writer that records the groups."""

    def __init__(self, seconds=0.05):
        self.seconds = seconds
        self.groups: list[tuple[UUID, list[FakeWrite]]] = []
        self.published: list[FakeWrite] = []
        self.active: list[UUID] = []
        self.max_concurrent = 0
        self.lock = threading.Lock()

    def write_group(self, organization_id, writes):
        with self.lock:
            self.active.append(organization_id)
            self.max_concurrent = max(self.max_concurrent, len(self.active))
            self.groups.append((organization_id, writes))
        time.sleep(self.seconds)
        with self.lock:
            self.active.remove(organization_id)

    def after_commit(self, organization_id, writes):
        self.published += writes


def submit_all(committer, writes):
    with ThreadPoolExecutor(len(writes)) as pool:
        list(pool.map(lambda one: committer.submit(*one), writes))


def test_submit_groups_waiting_writes_and_completes_all():
    recorder = Recorder()
    writes = [(A, FakeWrite(str(number))) for number in range(40)]
    submit_all(GroupCommitter(recorder.write_group, recorder.after_commit), writes)
    stored = [write for _, group in recorder.groups for write in group]
    assert len(stored) == len(set(map(id, stored))) == 40
    assert len(recorder.groups) < 20
    assert {id(write) for write in recorder.published} == {id(write) for write in stored}


def test_group_has_one_organization_and_bounded_size():
    recorder = Recorder()
    writes = [
        (organization_id, FakeWrite("x", 4_000)) for _ in range(6) for organization_id in (A, B, C)
    ]
    submit_all(GroupCommitter(recorder.write_group, recorder.after_commit), writes)
    sent = {id(write): organization_id for organization_id, write in writes}
    for organization_id, group in recorder.groups:
        assert {sent[id(write)] for write in group} == {organization_id}
        assert sum(write.size for write in group) <= 10_000


def test_submit_large_write_is_committed():
    recorder = Recorder(0)
    GroupCommitter(recorder.write_group, recorder.after_commit).submit(
        A, FakeWrite("large", 50_000)
    )
    assert len(recorder.groups) == 1


def test_concurrent_groups_are_bounded():
    recorder = Recorder()
    committer = GroupCommitter(
        recorder.write_group, recorder.after_commit, max_groups=2, max_groups_per_organization=1
    )
    submit_all(committer, [(A, FakeWrite("a", 9_000)) for _ in range(5)])
    assert recorder.max_concurrent == 1
    submit_all(
        committer,
        [
            (organization_id, FakeWrite("x", 9_000))
            for _ in range(4)
            for organization_id in (A, B, C)
        ],
    )
    assert recorder.max_concurrent == 2


@pytest.mark.parametrize(("size", "expected"), [(20, 1), (MIN_POINTS_FOR_ANOTHER_GROUP, 2)])
def test_second_group_starts_only_for_many_waiting_points(size, expected):
    recorder = Recorder()
    submit_all(
        GroupCommitter(recorder.write_group, recorder.after_commit),
        [(A, FakeWrite("a", size)) for _ in range(12)],
    )
    assert recorder.max_concurrent == expected


def test_busy_organization_does_not_delay_another():
    recorder = Recorder(0.05)
    committer = GroupCommitter(
        recorder.write_group, recorder.after_commit, max_groups=1, max_groups_per_organization=1
    )
    with ThreadPoolExecutor(31) as pool:
        noisy = [pool.submit(committer.submit, A, FakeWrite("a", 9_000)) for _ in range(30)]
        while not recorder.groups:
            time.sleep(0.01)
        before = len(recorder.groups)
        pool.submit(committer.submit, B, FakeWrite("b")).result()
        for one in noisy:
            one.result()
    order = [organization_id for organization_id, _ in recorder.groups]
    assert order.index(B) < before + 8


def test_failed_group_frees_its_slot():
    calls = []

    def write_group(organization_id, writes):
        calls.append(writes)
        if len(calls) == 1:
            raise ZeroDivisionError

    committer = GroupCommitter(
        write_group, lambda *_: None, max_groups=1, max_groups_per_organization=1
    )
    with pytest.raises(ZeroDivisionError):
        committer.submit(A, FakeWrite("a"))
    committer.submit(A, FakeWrite("b"))
    assert len(calls) == 2


def test_submit_timeout_raises_busy(monkeypatch):
    monkeypatch.setattr("apps.telemetry.services.ingest.group_commit._MAX_WAIT_SECONDS", 0.05)
    recorder = Recorder(0.5)
    committer = GroupCommitter(
        recorder.write_group, recorder.after_commit, max_groups=1, max_groups_per_organization=1
    )
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(committer.submit, A, FakeWrite("a"))
        while not recorder.groups:
            time.sleep(0.01)
        with pytest.raises(BusyError):
            committer.submit(B, FakeWrite("b"))
        first.result()
    assert len(recorder.groups) == 1
    committer.submit(B, FakeWrite("b"))
    assert len(recorder.groups) == 2
