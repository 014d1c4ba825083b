"""Who is let in, and who stores with whom: threads and counters, without a database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from apps.telemetry.exceptions import BusyError, OrganizationOverloadedError
from apps.telemetry.services.ingest.backpressure import ByteBudget
from apps.telemetry.services.ingest.group_commit import MIN_POINTS_FOR_ANOTHER_GROUP, GroupCommitter

A, B, C = uuid4(), uuid4(), uuid4()


@dataclass(eq=False)
class Parcel:
    name: str
    size: int = 20


class Recorder:
    """Stores slowly, and notes which parcels went together."""

    def __init__(self, seconds=0.05):
        self.seconds = seconds
        self.groups: list[tuple[UUID, list[Parcel]]] = []
        self.told: list[Parcel] = []
        self.now: list[UUID] = []
        self.most = 0
        self.lock = threading.Lock()

    def store(self, organization_id, parcels):
        with self.lock:
            self.now.append(organization_id)
            self.most = max(self.most, len(self.now))
            self.groups.append((organization_id, parcels))
        time.sleep(self.seconds)
        with self.lock:
            self.now.remove(organization_id)

    def after(self, organization_id, parcels):
        self.told += parcels


def submit_all(intake, parcels):
    with ThreadPoolExecutor(len(parcels)) as pool:
        list(pool.map(lambda one: intake.submit(*one), parcels))


def test_those_who_wait_are_stored_together_and_nobody_is_left():
    recorder = Recorder()
    parcels = [(A, Parcel(str(number))) for number in range(40)]
    submit_all(GroupCommitter(recorder.store, recorder.after), parcels)
    stored = [parcel for _, group in recorder.groups for parcel in group]
    assert len(stored) == len(set(map(id, stored))) == 40
    assert len(recorder.groups) < 20
    assert {id(parcel) for parcel in recorder.told} == {id(parcel) for parcel in stored}


def test_a_group_belongs_to_one_organization_and_has_a_bounded_size():
    recorder = Recorder()
    parcels = [(one, Parcel("x", 4_000)) for _ in range(6) for one in (A, B, C)]
    submit_all(GroupCommitter(recorder.store, recorder.after), parcels)
    sent = {id(parcel): organization_id for organization_id, parcel in parcels}
    for organization_id, group in recorder.groups:
        assert {sent[id(parcel)] for parcel in group} == {organization_id}
        assert sum(parcel.size for parcel in group) <= 10_000


def test_a_parcel_of_any_size_is_stored():
    recorder = Recorder(0)
    GroupCommitter(recorder.store, recorder.after).submit(A, Parcel("large", 50_000))
    assert len(recorder.groups) == 1


def test_places_are_bounded_in_all_and_for_one_organization():
    recorder = Recorder()
    intake = GroupCommitter(
        recorder.store, recorder.after, max_groups=2, max_groups_per_organization=1
    )
    submit_all(intake, [(A, Parcel("a", 9_000)) for _ in range(5)])
    assert recorder.most == 1
    submit_all(intake, [(one, Parcel("x", 9_000)) for _ in range(4) for one in (A, B, C)])
    assert recorder.most == 2


@pytest.mark.parametrize(("size", "most"), [(20, 1), (MIN_POINTS_FOR_ANOTHER_GROUP, 2)])
def test_many_rows_that_wait_get_another_place_and_few_do_not(size, most):
    recorder = Recorder()
    submit_all(
        GroupCommitter(recorder.store, recorder.after), [(A, Parcel("a", size)) for _ in range(12)]
    )
    assert recorder.most == most


def test_a_noisy_organization_does_not_keep_another_waiting():
    recorder = Recorder(0.05)
    intake = GroupCommitter(
        recorder.store, recorder.after, max_groups=1, max_groups_per_organization=1
    )
    with ThreadPoolExecutor(31) as pool:
        noisy = [pool.submit(intake.submit, A, Parcel("a", 9_000)) for _ in range(30)]
        while not recorder.groups:
            time.sleep(0.01)
        before = len(recorder.groups)
        pool.submit(intake.submit, B, Parcel("b")).result()
        for one in noisy:
            one.result()
    places = [organization_id for organization_id, _ in recorder.groups]
    assert places.index(B) < before + 8


def test_a_store_that_fails_frees_its_place_and_its_group():
    calls = []

    def store(organization_id, parcels):
        calls.append(parcels)
        if len(calls) == 1:
            raise ZeroDivisionError

    intake = GroupCommitter(store, lambda *_: None, max_groups=1, max_groups_per_organization=1)
    with pytest.raises(ZeroDivisionError):
        intake.submit(A, Parcel("a"))
    intake.submit(A, Parcel("b"))
    assert len(calls) == 2


def test_whose_turn_does_not_come_is_told_so(monkeypatch):
    monkeypatch.setattr("apps.telemetry.services.ingest.group_commit._MAX_WAIT_SECONDS", 0.05)
    recorder = Recorder(0.5)
    intake = GroupCommitter(
        recorder.store, recorder.after, max_groups=1, max_groups_per_organization=1
    )
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(intake.submit, A, Parcel("a"))
        while not recorder.groups:
            time.sleep(0.01)
        with pytest.raises(BusyError):
            intake.submit(B, Parcel("b"))
        first.result()
    assert len(recorder.groups) == 1
    intake.submit(B, Parcel("b"))
    assert len(recorder.groups) == 2


def test_admission_is_bounded_for_one_and_for_all():
    budget = ByteBudget(max_total=100, max_per_organization=60)
    with budget.reserve(A, 50):
        with pytest.raises(OrganizationOverloadedError), budget.reserve(A, 11):
            pass
        with (
            budget.reserve(A, 10),
            budget.reserve(B, 40),
            pytest.raises(BusyError),
            budget.reserve(C, 1),
        ):
            pass
        with budget.reserve(B, 50):
            pass
    with budget.reserve(A, 60), budget.reserve(B, 40):
        pass


def test_who_stands_alone_may_be_of_any_size_and_grow():
    budget = ByteBudget(max_total=100, max_per_organization=60)
    with budget.reserve(A, 500) as reservation:
        reservation.extend(500)
        with pytest.raises(BusyError), budget.reserve(B, 1):
            pass
    with budget.reserve(A, 10) as reservation, budget.reserve(A, 10):
        with pytest.raises(OrganizationOverloadedError):
            reservation.extend(50)
        reservation.extend(40)
    with budget.reserve(A, 60), budget.reserve(B, 40):
        pass


def test_a_body_that_is_empty_takes_no_room():
    budget = ByteBudget()
    with budget.reserve(A, 0), budget.reserve(A, 0):
        pass
    assert not budget._reserved
