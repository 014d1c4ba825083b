from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.models import TelemetryBatch
from apps.telemetry.protocols.points import DecodedBatch, Point
from apps.telemetry.services.pending_work import (
    SLOT_SECONDS,
    Consumer,
    organizations_with_pending_work,
    pending_work_acknowledge,
    pending_work_claim,
    pending_work_clean_up,
    pending_work_enqueue,
    work_items_for,
)
from apps.telemetry.services.telemetry import telemetry_ingest
from tests.support.concurrency import run_concurrently

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROBOTS = [uuid.UUID(int=number) for number in range(1, 6)]

KEYS = st.lists(
    st.tuples(
        st.sampled_from(ROBOTS),
        st.sampled_from(["a", "b", "c.d"]),
        st.integers(0, 3 * SLOT_SECONDS).map(lambda n: START + timedelta(seconds=n)),
    ),
    unique=True,
    max_size=30,
)


@given(keys=KEYS)
def test_work_items_cover_exactly_the_series(keys):
    items = list(work_items_for(keys))
    for robot_id, name, time in keys:
        assert any(
            robot_id in item.robot_ids
            and name in item.metric_names
            and item.least_time <= time <= item.greatest_time
            for item in items
        )
    for item in items:
        assert item.greatest_time - item.least_time < timedelta(seconds=SLOT_SECONDS)
        for robot_id in item.robot_ids:
            sent = {
                name
                for robot, name, time in keys
                if robot == robot_id and item.least_time <= time <= item.greatest_time
            }
            assert sent == set(item.metric_names)


def test_work_items_usual_batch_is_one_item():
    keys = [
        (robot, name, START + timedelta(seconds=second))
        for robot in ROBOTS
        for name in ("a", "b")
        for second in range(30)
    ]
    (item,) = work_items_for(keys)
    assert (set(item.robot_ids), item.metric_names) == (set(ROBOTS), ["a", "b"])
    assert item.greatest_time - item.least_time == timedelta(seconds=29)


@pytest.fixture
def add(organization_a, tenant):
    def write(*seconds, name="a"):
        with tenant(organization_a):
            for second in seconds:
                key = (ROBOTS[0], name, START + timedelta(seconds=second))
                pending_work_enqueue(organization_a.id, [key])

    return write


def test_ingest_enqueues_new_points(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    now = datetime.now(UTC)
    points = [(0, Point("a", now, 1.0, robot_id=robot.pk))]
    for _ in range(2):  # a resent batch has no new points
        telemetry_ingest(organization_id=organization_a.id, decode=lambda: DecodedBatch(points))
    with tenant(organization_a):
        (row,) = TelemetryBatch.objects.all()
        assert (row.robot_ids, row.metric_names) == ([robot.pk], ["a"])
        assert row.least_time == row.greatest_time == now
    assert organizations_with_pending_work() == [organization_a.id]


def test_claimed_items_are_acknowledged_and_deleted(organization_a, tenant, add):
    add(0, 1, 2)
    with tenant(organization_a):
        items = pending_work_claim(Consumer.ROLLED_UP, max_items=2)
        assert [item.least_time for item in items] == [START, START + timedelta(seconds=1)]
        pending_work_acknowledge(Consumer.ROLLED_UP, items)
        assert len(pending_work_claim(Consumer.ROLLED_UP)) == 1
    assert pending_work_clean_up() == 0  # the other consumer has not processed them
    with tenant(organization_a):
        pending_work_acknowledge(
            Consumer.EVALUATED, pending_work_claim(Consumer.EVALUATED, max_items=2)
        )
    assert pending_work_clean_up() == 2
    assert organizations_with_pending_work(Consumer.EVALUATED) == [organization_a.id]
    assert organizations_with_pending_work() == [organization_a.id]


def test_claim_is_bounded_by_weight_but_never_empty(organization_a, tenant, add):
    add(0, 60, 120)
    with tenant(organization_a):
        assert len(pending_work_claim(Consumer.ROLLED_UP, max_weight=1)) == 1
        assert len(pending_work_claim(Consumer.ROLLED_UP, max_weight=2)) == 2


def test_claim_includes_items_of_same_cost(organization_a, tenant, add):
    add(0, 60, 1, 2)
    with tenant(organization_a):
        items = pending_work_claim(Consumer.ROLLED_UP, max_weight=1)
        assert [(item.least_time - START).seconds for item in items] == [0, 1, 2]


def test_claim_ignores_other_organizations(organization_b, tenant, add):
    add(0)
    with tenant(organization_b):
        assert pending_work_claim(Consumer.ROLLED_UP) == []


@pytest.mark.django_db(transaction=True)
def test_claim_concurrent_workers_get_disjoint_items(organization_a, tenant, add):
    add(*range(8))

    def work():
        with tenant(organization_a):
            items = pending_work_claim(Consumer.ROLLED_UP, max_items=2)
            pending_work_acknowledge(Consumer.ROLLED_UP, items)
            return [item.id for item in items]

    for _ in range(8):
        done = [number for numbers in run_concurrently(work, work) for number in numbers]
        assert len(done) == len(set(done))
    with tenant(organization_a):
        assert pending_work_claim(Consumer.ROLLED_UP) == []


@pytest.mark.django_db(transaction=True)
def test_claim_after_rollback_can_be_repeated(organization_a, tenant, add):
    add(0)
    with tenant(organization_a), transaction.atomic():
        pending_work_acknowledge(Consumer.ROLLED_UP, pending_work_claim(Consumer.ROLLED_UP))
        transaction.set_rollback(True)
    with tenant(organization_a):
        assert len(pending_work_claim(Consumer.ROLLED_UP)) == 1
