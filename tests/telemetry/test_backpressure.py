"""The byte budget of requests in progress, without a database."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.telemetry.exceptions import BusyError, OrganizationOverloadedError
from apps.telemetry.services.ingest.backpressure import ByteBudget

A, B, C = uuid4(), uuid4(), uuid4()


def test_reserve_beyond_budget_raises():
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


def test_reserve_without_competitors_allows_any_size():
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


def test_reserve_empty_body_uses_no_budget():
    budget = ByteBudget()
    with budget.reserve(A, 0), budget.reserve(A, 0):
        pass
    assert not budget._reserved
