from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.maintenance.choices import MaintenanceStatus
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import (
    task_cancel,
    task_complete,
    task_start,
    task_update,
)
from apps.maintenance.tasks import mark_overdue
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


def test_due_time_defaults_to_scheduled_time(organization_a, make_task, tenant):
    time = timezone.now() + timedelta(days=1)
    assert make_task(organization_a, scheduled_at=time).due_at == time
    task = make_task(organization_a, scheduled_at=time, due_at=time + timedelta(days=1))
    assert task.due_at == time + timedelta(days=1)
    with tenant(organization_a):
        assert task_update(task, due_at=None).due_at == time
    assert make_task(organization_a).due_at is None


def test_overdue_job_marks_tasks_of_every_organization(
    organization_a, organization_b, make_task, tenant
):
    past = timezone.now() - timedelta(minutes=1)
    for organization in (organization_a, organization_b):
        make_task(organization, scheduled_at=past)
        make_task(organization)
    mark_overdue(0)
    for organization in (organization_a, organization_b):
        with tenant(organization):
            statuses = MaintenanceTask.objects.order_by("status").values_list("status", flat=True)
            assert list(statuses) == ["overdue", "scheduled"]


def test_closed_task_cannot_be_changed(organization_a, make_task, tenant):
    task = make_task(organization_a, notes="before")
    with tenant(organization_a):
        task_start(task)
        done = task_complete(task, "replaced seal")
        assert done.notes == "before\nreplaced seal"
        with pytest.raises(TaskStateError):
            task_update(task, title="Other")
        with pytest.raises(TaskStateError):
            task_cancel(task, "late")


def test_complete_keeps_given_duration(organization_a, make_task, tenant):
    task = make_task(organization_a, actual_duration=7)
    with tenant(organization_a):
        task_start(task)
        assert task_complete(task).actual_duration == 7


def test_cancel_appends_reason_to_notes(organization_a, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        assert task_cancel(task, "sold").notes == "Cancelled: sold"


def test_references_to_other_organization_are_rejected(
    organization_a, organization_b, make_robot, make_user, make_task, tenant
):
    robot, person = make_robot(organization_b), make_user(organization_b)
    task = make_task(organization_a)
    for wrong in ({"robot": robot}, {"assigned_to": person}):
        with pytest.raises(ValidationError) as raised:
            make_task(organization_a, **wrong)
        assert set(raised.value.message_dict) == set(wrong)
        with tenant(organization_a), pytest.raises(ValidationError):
            task_update(task, **wrong)
    with (
        tenant(organization_a),
        connection.cursor() as cursor,
        pytest.raises(DatabaseError),
        transaction.atomic(),
    ):
        cursor.execute("UPDATE maintenance_tasks SET robot_id = %s", [robot.pk])


def test_api_with_ids_of_other_organization_returns_400(
    organization_a, organization_b, alice, client_for, make_robot, make_user
):
    client = client_for(alice)
    body = {"title": "x", "type": "cleaning"}
    for field, row in (
        ("robot", make_robot(organization_b)),
        ("assigned_to", make_user(organization_b)),
    ):
        response = client.post(
            "/api/v1/maintenance-tasks",
            {**body, field: str(row.pk)},
            content_type="application/json",
        )
        assert response.status_code == 400
        assert set(response.json()["errors"]) == {field}


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": Decimal("-0.01")},
        {"cost": Decimal("123456789.00")},
        {"cost": Decimal("1.234")},
        {"estimated_duration": -1},
        {"estimated_duration": 2**31},
        {"title": ""},
        {"title": "x" * 256},
        {"type": "magic"},
        {"priority": "urgent"},
        {"parts_used": {}},
        {"parts_used": "oil"},
        {"parts_used": ["oil"]},
        {"parts_used": [{}]},
        {"parts_used": [{"name": ""}]},
        {"parts_used": [{"name": 1}]},
        {"parts_used": [{"name": "oil", "colour": "red"}]},
        {"parts_used": [{"name": "oil", "quantity": 0}]},
        {"parts_used": [{"name": "oil", "quantity": "2"}]},
        {"parts_used": [{"name": "oil", "quantity": True}]},
        {"parts_used": [{"name": "oil", "quantity": math.nan}]},
        {"parts_used": [{"name": "oil", "unit_cost": -1}]},
        {"parts_used": [{"name": "oil", "unit_cost": 10**400}]},
        {"parts_used": [{"name": "o\x00l"}]},
        {"parts_used": [{"name": "oil", "part": None}]},
    ],
)
def test_invalid_values_are_rejected(wrong, organization_a, make_task, tenant):
    with pytest.raises(ValidationError) as raised:
        make_task(organization_a, **wrong)
    assert set(raised.value.message_dict) == set(wrong)
    task = make_task(organization_a)
    with tenant(organization_a), pytest.raises(ValidationError):
        task_update(task, **wrong)


def test_parts_and_cost_are_stored(organization_a, make_task, tenant):
    parts = [{"part": "B-7", "name": "Belt", "quantity": 2, "unit_cost": 19.5}, {"name": "Oil"}]
    task = make_task(organization_a, parts_used=parts, cost=Decimal("39.00"))
    with tenant(organization_a):
        task.refresh_from_db()
        assert (task.parts_used, task.cost) == (parts, Decimal("39.00"))
        assert task_update(task, parts_used=None).parts_used is None


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-1", "1e400", "x", True, [], "1.005"])
def test_api_with_invalid_cost_returns_400(cost, alice, client_for):
    response = client_for(alice).post(
        "/api/v1/maintenance-tasks",
        {"title": "x", "type": "cleaning", "cost": cost},
        content_type="application/json",
    )
    assert response.status_code == 400


def test_task_life_cycle_over_api(organization_a, alice, client_for, make_robot):
    client, robot = client_for(alice), make_robot(organization_a)

    def post(path, **body):
        return client.post(
            f"/api/v1/maintenance-tasks{path}", body, content_type="application/json"
        )

    made = post("", title="Belt", type="replacement", robot=str(robot.pk)).json()
    assert (made["status"], made["created_by"]) == ("scheduled", str(alice.pk))
    path = f"/{made['id']}"
    early = post(f"{path}/complete")
    assert (early.status_code, early.json()["code"]) == (409, "task_state")
    assert post(f"{path}/start").json()["status"] == "in_progress"
    assert post(f"{path}/start").status_code == 409
    assert post(f"{path}/complete", note="typo").status_code == 400
    done = post(f"{path}/complete", notes="done").json()
    assert (done["status"], done["notes"]) == ("completed", "done")
    assert post(f"{path}/cancel", reason="x").status_code == 409
    assert post(f"{path}/cancel").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_concurrent_starts_succeed_once(organization_a, make_task):
    task = make_task(organization_a)

    def start():
        with tenant_transaction(organization_a.id):
            return task_start(MaintenanceTask.objects.get(pk=task.pk))

    outcome = run_concurrently(start, start)
    kinds = sorted(type(item).__name__ for item in outcome)
    assert kinds == ["MaintenanceTask", "TaskStateError"]
    with tenant_transaction(organization_a.id):
        assert MaintenanceTask.objects.get().status == MaintenanceStatus.IN_PROGRESS
