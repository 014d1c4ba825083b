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
def test_blocks_hold_every_point_and_no_other_series(keys):
    blocks = list(work_items_for(keys))
    for robot_id, name, time in keys:
        assert any(
            robot_id in block.robot_ids
            and name in block.metric_names
            and block.least_time <= time <= block.greatest_time
            for block in blocks
        )
    for block in blocks:
        assert block.greatest_time - block.least_time < timedelta(seconds=SLOT_SECONDS)
        for robot_id in block.robot_ids:
            sent = {
                name
                for robot, name, time in keys
                if robot == robot_id and block.least_time <= time <= block.greatest_time
            }
            assert sent == set(block.metric_names)


def test_usual_batch_is_one_block():
    keys = [
        (robot, name, START + timedelta(seconds=second))
        for robot in ROBOTS
        for name in ("a", "b")
        for second in range(30)
    ]
    (block,) = work_items_for(keys)
    assert (set(block.robot_ids), block.metric_names) == (set(ROBOTS), ["a", "b"])
    assert block.greatest_time - block.least_time == timedelta(seconds=29)


@pytest.fixture
def add(organization_a, tenant):
    def write(*seconds, name="a"):
        with tenant(organization_a):
            for second in seconds:
                key = (ROBOTS[0], name, START + timedelta(seconds=second))
                pending_work_enqueue(organization_a.id, [key])

    return write


def test_ingest_says_what_is_new(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    now = datetime.now(UTC)
    points = [(0, Point("a", now, 1.0, robot_id=robot.pk))]
    for _ in range(2):  # a resent batch has nothing new
        telemetry_ingest(organization_id=organization_a.id, decode=lambda: DecodedBatch(points))
    with tenant(organization_a):
        (row,) = TelemetryBatch.objects.all()
        assert (row.robot_ids, row.metric_names) == ([robot.pk], ["a"])
        assert row.least_time == row.greatest_time == now
    assert organizations_with_pending_work() == [organization_a.id]


def test_claimed_blocks_are_marked_and_cleaned_up(organization_a, tenant, add):
    add(0, 1, 2)
    with tenant(organization_a):
        blocks = pending_work_claim(Consumer.ROLLED_UP, max_items=2)
        assert [block.least_time for block in blocks] == [START, START + timedelta(seconds=1)]
        pending_work_acknowledge(Consumer.ROLLED_UP, blocks)
        assert len(pending_work_claim(Consumer.ROLLED_UP)) == 1
    assert pending_work_clean_up() == 2
    assert organizations_with_pending_work() == [organization_a.id]


def test_a_claim_is_bounded_by_its_weight_but_never_empty(organization_a, tenant, add):
    add(0, 60, 120)
    with tenant(organization_a):
        assert len(pending_work_claim(Consumer.ROLLED_UP, max_weight=1)) == 1
        assert len(pending_work_claim(Consumer.ROLLED_UP, max_weight=2)) == 2


def test_what_costs_no_more_is_claimed_along(organization_a, tenant, add):
    add(0, 60, 1, 2)
    with tenant(organization_a):
        blocks = pending_work_claim(Consumer.ROLLED_UP, max_weight=1)
        assert [(block.least_time - START).seconds for block in blocks] == [0, 1, 2]


def test_blocks_of_another_organization_are_out_of_sight(organization_b, tenant, add):
    add(0)
    with tenant(organization_b):
        assert pending_work_claim(Consumer.ROLLED_UP) == []


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_share_the_blocks(organization_a, tenant, add):
    add(*range(8))

    def work():
        with tenant(organization_a):
            blocks = pending_work_claim(Consumer.ROLLED_UP, max_items=2)
            pending_work_acknowledge(Consumer.ROLLED_UP, blocks)
            return [block.id for block in blocks]

    for _ in range(8):
        done = [number for numbers in run_concurrently(work, work) for number in numbers]
        assert len(done) == len(set(done))
    with tenant(organization_a):
        assert pending_work_claim(Consumer.ROLLED_UP) == []


@pytest.mark.django_db(transaction=True)
def test_work_that_is_rolled_back_is_free_again(organization_a, tenant, add):
    add(0)
    with tenant(organization_a), transaction.atomic():
        pending_work_acknowledge(Consumer.ROLLED_UP, pending_work_claim(Consumer.ROLLED_UP))
        transaction.set_rollback(True)
    with tenant(organization_a):
        assert len(pending_work_claim(Consumer.ROLLED_UP)) == 1
