"""Reads return exactly the sent points, in any order of sending and of rollups."""

from __future__ import annotations

import random

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.telemetry.selectors import RESOLUTIONS
from apps.telemetry.services.pending_work import organizations_with_pending_work
from tests.support.telemetry_fleet import BATCHES, TelemetryFleet

STEPS = st.lists(
    st.sampled_from(["send", "again", "shuffled", "work", "some work", "clean"]),
    min_size=3,
    max_size=14,
)


@pytest.fixture
def fleet(organization_a, make_robot, make_key):
    robots = [make_robot(organization_a) for _ in range(2)]
    return organization_a, [robot.pk for robot in robots], make_key(organization_a)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=BATCHES, steps=STEPS, seed=st.integers(0, 10_000))
def test_reads_match_model_of_sent_points(batches, steps, seed, fleet, tenant):
    with transaction.atomic():
        system = TelemetryFleet(*fleet, random.Random(seed))
        system.send(batches.pop())
        for step in steps:
            system.step(step, batches)
            system.check(tenant)
        system.step("work", batches)
        system.check(tenant, len(RESOLUTIONS))
        with tenant(system.organization):
            system.check_rollups()
        assert organizations_with_pending_work() == []
        transaction.set_rollback(True)
