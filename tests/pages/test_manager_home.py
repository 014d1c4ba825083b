"""A manager's Home: workload, cost of the month, low stock and work requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.parts import part_create
from apps.maintenance.services.work_requests import work_request_create
from apps.organizations.services.organizations import organization_update
from urfmp.pages.selectors.maintenance.manager import manager_overview

pytestmark = pytest.mark.django_db
# 1 March in Berlin, still February in UTC.
NOW = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)


@pytest.fixture
def worker(make_user, organization_a):
    return make_user(organization_a, "technician", first_name="Tess")


@pytest.fixture
def filled(organization_a, organization_b, alice, worker, make_robot, make_task, tenant):
    for organization in (organization_a, organization_b):
        robot = make_robot(organization)
        with tenant(organization):
            part_create(
                organization_id=organization.pk,
                number="B-1",
                name="Belt",
                minimum_quantity=Decimal(2),
            )
            work_request_create(robot=robot, title="Noise")
    with tenant(organization_a):
        organization_update(organization_a, settings={"timezone": "Europe/Berlin"})
    due = {"due_at": NOW + timedelta(days=2), "estimated_duration": 45}
    make_task(organization_a, alice, assigned_to=worker, **due)
    make_task(organization_a, alice, assigned_to=worker, due_at=NOW - timedelta(days=3))
    make_task(organization_a, alice, **due)
    make_task(organization_a, alice, due_at=NOW + timedelta(days=8))
    done = {"status": "completed", "created_by": alice, "type": "cleaning", "title": "t"}
    with tenant(organization_a):
        MaintenanceTask.objects.bulk_create(
            MaintenanceTask(
                organization=organization_a, cost=cost, completed_at=NOW - timedelta(minutes=ago),
                **done,
            )
            for cost, ago in ((Decimal("10.50"), 10), (Decimal(5), 20), (Decimal(99), 40))
        )  # fmt: skip


def test_overview_counts_own_rows_in_the_local_month(filled, organization_a, alice, worker, tenant):
    with tenant(organization_a):
        alice.refresh_from_db()
        found = manager_overview(alice, NOW, ZoneInfo("Europe/Berlin"))
    assert found.cost == Decimal("15.50")
    assert (found.low_parts, found.waiting_requests) == (1, 1)
    assert [(load.user, load.tasks, load.minutes) for load in found.workloads] == [
        (worker, 2, 45), (None, 1, 45),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "is_shown"), [("manager", True), ("admin", True), ("operator", False)]
)
def test_home_shows_the_panel_to_managers(
    role, is_shown, filled, organization_a, make_user, client_for
):
    client = client_for(make_user(organization_a, role))
    with patch.object(timezone, "now", lambda: NOW):
        text = client.get("/admin/").content.decode()
    for part in (
        "1 work request to review",
        "1 part below",
        "Cost this month",
        "15.50",
        "45 min planned",
    ):
        assert (part in text) is is_shown, part


def test_home_without_tasks_says_so(alice, client_for):
    text = client_for(alice).get("/admin/").content.decode()
    assert "No tasks are assigned for the next 7 days." in text
