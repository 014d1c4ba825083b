from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.accounts.services.users import system_user_get
from apps.maintenance.choices import (
    TRANSITIONS,
    MaintenanceAction,
    MaintenanceStatus,
    allows,
)
from apps.maintenance.exceptions import TaskStateError
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import (
    task_cancel,
    task_complete,
    task_create,
    task_start,
    task_update,
    tasks_mark_overdue,
)
from apps.maintenance.tasks import mark_overdue
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


@pytest.fixture
def make_task(tenant):
    def make(organization, **fields):
        with tenant(organization):
            author = system_user_get(organization_id=organization.id)
            return task_create(
                organization_id=organization.id,
                created_by=author,
                **{"title": "Grease", "type": "lubrication", **fields},
            )

    return make


class Model(RuleBasedStateMachine):
    """scheduled → (overdue →) in_progress → completed; cancelled from anywhere open."""

    make = None

    def __init__(self):
        super().__init__()
        self.now = timezone.now()
        self.due = self.now + timedelta(hours=1)
        self.task = type(self).make(scheduled_at=self.due)
        self.status, self.started, self.completed = "scheduled", None, None

    def _act(self, call):
        with patch("apps.maintenance.services.tasks.timezone.now", lambda: self.now):
            return call()

    def _try(self, allowed, call):
        if allowed:
            self._act(call)
            return True
        with pytest.raises(TaskStateError), transaction.atomic():
            self._act(call)
        return False

    @rule(minutes=st.sampled_from([1, 30, 59, 61, 500]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule()
    def start(self):
        startable = self.status in {"scheduled", "pending", "overdue", "on_hold"}
        if self._try(startable, lambda: task_start(self.task)):
            self.status, self.started = "in_progress", self.started or self.now

    @rule()
    def complete(self):
        if self._try(self.status == "in_progress", lambda: task_complete(self.task, "done")):
            self.status, self.completed = "completed", self.now

    @rule()
    def cancel(self):
        is_open = self.status not in {"completed", "cancelled"}
        if self._try(is_open, lambda: task_cancel(self.task, "no time")):
            self.status = "cancelled"

    @rule(status=st.sampled_from(["pending", "on_hold", "requires_approval"]))
    def set_other_status(self, status):
        """Set a status that no service sets yet."""
        if self.status in {"scheduled", "pending", "overdue", "in_progress"}:
            MaintenanceTask.objects.filter(pk=self.task.pk).update(status=status)
            self.status = status

    @rule(minutes=st.sampled_from([-90, -1, 90]))
    def move(self, minutes):
        due = self.now + timedelta(minutes=minutes)
        is_open = self.status not in {"completed", "cancelled"}
        if self._try(is_open, lambda: task_update(self.task, scheduled_at=due)):
            self.due = due
            if self.status == "overdue" and minutes > 0:
                self.status = "scheduled"

    @rule()
    def mark_overdue_tasks(self):
        late = self.status in {"scheduled", "pending"} and self.due < self.now
        assert self._act(tasks_mark_overdue) == int(late)
        if late:
            self.status = "overdue"

    @invariant()
    def agrees(self):
        task = MaintenanceTask.objects.get(pk=self.task.pk)
        assert (task.status, task.due_at) == (self.status, self.due)
        assert (task.started_at, task.completed_at) == (self.started, self.completed)
        if self.completed:
            spent = (self.completed - self.started).total_seconds() / 60
            assert task.actual_duration == math.ceil(spent)

    def teardown(self):
        MaintenanceTask.objects.all().delete()


ACTIONS = {
    MaintenanceAction.UPDATE: lambda task: task_update(task, title="New"),
    MaintenanceAction.START: task_start,
    MaintenanceAction.COMPLETE: task_complete,
    MaintenanceAction.CANCEL: lambda task: task_cancel(task, "no time"),
}


@pytest.mark.parametrize("status", MaintenanceStatus.values)
@pytest.mark.parametrize("action", ACTIONS)
def test_services_allow_actions_by_table(action, status, organization_a, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        MaintenanceTask.objects.update(status=status)
        if status in TRANSITIONS[action]:
            ACTIONS[action](task)
        else:
            with pytest.raises(TaskStateError):
                ACTIONS[action](task)


@pytest.mark.parametrize("status", MaintenanceStatus.values)
def test_mark_overdue_changes_tasks_by_table(status, organization_a, make_task, tenant):
    make_task(organization_a, due_at=timezone.now() - timedelta(hours=1))
    with tenant(organization_a):
        MaintenanceTask.objects.update(status=status)
        allowed = status in TRANSITIONS[MaintenanceAction.MARK_OVERDUE]
        assert tasks_mark_overdue() == int(allowed)


def test_task_without_status_counts_as_scheduled():
    for action in MaintenanceAction:
        assert allows(action, None) == allows(action, MaintenanceStatus.SCHEDULED)


def test_every_action_has_a_transition():
    assert set(TRANSITIONS) == set(MaintenanceAction)
    assert set(ACTIONS) == set(MaintenanceAction) - {MaintenanceAction.MARK_OVERDUE}


@pytest.mark.django_db
def test_task_life_cycle_matches_model(organization_a, make_task, tenant):
    with tenant(organization_a):
        Model.make = staticmethod(lambda **fields: make_task(organization_a, **fields))
        run_state_machine_as_test(
            Model,
            settings=hypothesis_settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


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
