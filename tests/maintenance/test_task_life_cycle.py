from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.audit.models import AuditLog
from apps.maintenance.choices import (
    TRANSITIONS,
    MaintenanceAction,
    MaintenanceStatus,
    allows,
    may_follow,
)
from apps.maintenance.exceptions import OwnWorkApprovalError, TaskStateError
from apps.maintenance.models import LabourEntry, MaintenanceTask, TaskEvent
from apps.maintenance.services.tasks import (
    task_approve,
    task_cancel,
    task_comment,
    task_complete,
    task_correct_duration,
    task_hold,
    task_join,
    task_reopen,
    task_resume,
    task_send_back,
    task_start,
    task_update,
    tasks_mark_overdue,
)
from apps.organizations.models import Organization
from tests.support.concurrency import run_concurrently
from tests.support.task_statuses import set_task_status
from urfmp.common.tenancy.context import tenant_transaction

OPEN = {"scheduled", "pending", "in_progress", "on_hold", "requires_approval", "overdue"}
# Written down independently of the tables in the code and in the database.
NEXT = {
    "scheduled": {"in_progress", "cancelled", "overdue"},
    "pending": {"in_progress", "cancelled", "overdue"},
    "overdue": {"in_progress", "cancelled", "scheduled"},
    "in_progress": {"on_hold", "completed", "requires_approval", "cancelled"},
    "on_hold": {"in_progress", "cancelled"},
    "requires_approval": {"completed", "pending", "cancelled"},
    "completed": {"pending"},
    "cancelled": set(),
}


class Model(RuleBasedStateMachine):
    """A task with a cost that may need approval, beside its model in plain Python."""

    make = None
    technician = None
    manager = None

    def __init__(self):
        super().__init__()
        self.now = timezone.now()
        self.due = self.now + timedelta(hours=1)
        self.task = type(self).make(scheduled_at=self.due)
        self.status, self.started, self.finished, self.completed = "scheduled", None, None, None
        self.hold_reason, self.cost = "", None
        self.kinds = []
        self.working_since, self.worked, self.duration = None, timedelta(), None

    def _begin(self):
        self.working_since = self.now

    def _end(self):
        if self.working_since is not None:
            self.worked += self.now - self.working_since
        self.working_since = None

    def _act(self, call):
        with patch("django.utils.timezone.now", lambda: self.now):
            return call()

    def _try(self, allowed, call, *kinds):
        if allowed:
            self._act(call)
            self.kinds += kinds
            return True
        with pytest.raises(TaskStateError), transaction.atomic():
            self._act(call)
        return False

    @rule(minutes=st.sampled_from([1, 30, 59, 61, 500]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(cost=st.sampled_from([None, 100, 101]))
    def set_cost(self, cost):
        allowed = self.status in OPEN - {"requires_approval"}
        if self._try(allowed, lambda: task_update(self.task, cost=cost)):
            self.cost = cost
            if self.status == "overdue" and self.due >= self.now:
                self.status = "scheduled"

    @rule()
    def start(self):
        startable = self.status in {"scheduled", "pending", "overdue"}
        if self._try(startable, lambda: task_start(self.task, self.technician), "started"):
            self.status, self.started = "in_progress", self.started or self.now
            self._begin()

    @rule()
    def hold(self):
        def act():
            return task_hold(self.task, " no parts ", self.technician)

        if self._try(self.status == "in_progress", act, "held"):
            self.status, self.hold_reason = "on_hold", "no parts"
            self._end()

    @rule()
    def resume(self):
        act = lambda: task_resume(self.task, self.technician)  # noqa: E731
        if self._try(self.status == "on_hold", act, "resumed"):
            self.status, self.hold_reason = "in_progress", ""
            self._begin()

    @rule()
    def complete(self):
        needs_approval = self.cost == 101
        kind = "submitted" if needs_approval else "completed"
        act = lambda: task_complete(self.task, "done", self.technician)  # noqa: E731
        if self._try(self.status == "in_progress", act, kind):
            self._end()
            self.duration = math.ceil(self.worked.total_seconds() / 60)
            self.finished = self.now
            self.status = "requires_approval" if needs_approval else "completed"
            self.completed = None if needs_approval else self.now

    @rule()
    def approve(self):
        act = lambda: task_approve(self.task, self.manager)  # noqa: E731
        if self._try(self.status == "requires_approval", act, "approved"):
            self.status, self.completed = "completed", self.finished

    @rule()
    def approve_own_work(self):
        if self.status == "requires_approval":
            with pytest.raises(OwnWorkApprovalError), transaction.atomic():
                task_approve(self.task, self.technician)
            with pytest.raises(OwnWorkApprovalError), transaction.atomic():
                task_send_back(self.task, self.technician, reason="x")

    @rule()
    def send_back(self):
        act = lambda: task_send_back(self.task, self.manager, reason="dirty")  # noqa: E731
        if self._try(self.status == "requires_approval", act, "sent_back"):
            self.status, self.finished = "pending", None

    @rule()
    def cancel(self):
        act = lambda: task_cancel(self.task, "no time", self.manager)  # noqa: E731
        if self._try(self.status in OPEN, act, "cancelled"):
            self.status, self.hold_reason = "cancelled", ""
            self._end()

    @rule()
    def reopen(self):
        act = lambda: task_reopen(self.task, "leaks", self.manager)  # noqa: E731
        if self._try(self.status == "completed", act, "reopened"):
            self.status, self.finished, self.completed = "pending", None, None

    @rule()
    def comment(self):
        self._act(lambda: task_comment(self.task, self.manager, text="hm"))
        self.kinds.append("commented")

    @rule(minutes=st.sampled_from([-90, -1, 90]))
    def move(self, minutes):
        due = self.now + timedelta(minutes=minutes)
        allowed = self.status in OPEN - {"requires_approval"}
        if self._try(allowed, lambda: task_update(self.task, scheduled_at=due)):
            self.due = due
            if self.status == "overdue" and minutes > 0:
                self.status = "scheduled"

    @rule()
    def mark_overdue_tasks(self):
        late = self.status in {"scheduled", "pending"} and self.due < self.now
        assert self._act(tasks_mark_overdue) == int(late)
        if late:
            self.status = "overdue"
            self.kinds.append("overdue")

    @rule(status=st.sampled_from(MaintenanceStatus.values))
    def write_illegal_status(self, status):
        """Raw writes are rejected by the database unless the life cycle allows them."""
        if status != self.status and status not in NEXT[self.status]:
            with pytest.raises(IntegrityError, match="cannot change"), transaction.atomic():
                MaintenanceTask.objects.filter(pk=self.task.pk).update(status=status)

    @invariant()
    def agrees(self):
        task = MaintenanceTask.objects.get(pk=self.task.pk)
        assert (task.status, task.due_at) == (self.status, self.due)
        assert (task.started_at, task.finished_at) == (self.started, self.finished)
        assert (task.completed_at, task.hold_reason) == (self.completed, self.hold_reason)
        assert task.actual_duration == self.duration
        running = LabourEntry.objects.running().filter(task=task).count()
        assert running == int(self.status == "in_progress")
        events = TaskEvent.objects.filter(task=task).order_by("created_at", "pk")
        assert [event.kind for event in events] == self.kinds

    def teardown(self):
        MaintenanceTask.objects.all().delete()


@pytest.fixture
def approval_settings(organization_a, tenant):
    def store(**values):
        with tenant(organization_a):
            Organization.objects.filter(pk=organization_a.pk).update(settings=values)

    return store


@pytest.mark.django_db
def test_task_life_cycle_matches_model(
    organization_a, make_task, make_user, tenant, approval_settings
):
    approval_settings(maintenance_approval_above_cost=100)
    Model.technician = make_user(organization_a, "technician")
    Model.manager = make_user(organization_a, "manager")
    with tenant(organization_a):
        Model.make = staticmethod(lambda **fields: make_task(organization_a, **fields))
        run_state_machine_as_test(
            Model,
            settings=hypothesis_settings(
                max_examples=25,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


ACTIONS = {
    MaintenanceAction.UPDATE: lambda task, user: task_update(task, title="New"),
    MaintenanceAction.START: task_start,
    MaintenanceAction.HOLD: lambda task, user: task_hold(task, "no parts", user),
    MaintenanceAction.RESUME: task_resume,
    MaintenanceAction.JOIN: task_join,
    MaintenanceAction.COMPLETE: lambda task, user: task_complete(task, None, user),
    MaintenanceAction.CORRECT_DURATION: lambda task, user: task_correct_duration(
        task, 5, "wrong", user
    ),
    MaintenanceAction.APPROVE: task_approve,
    MaintenanceAction.SEND_BACK: lambda task, user: task_send_back(task, user, reason="dirty"),
    MaintenanceAction.CANCEL: lambda task, user: task_cancel(task, "no time", user),
    MaintenanceAction.REOPEN: lambda task, user: task_reopen(task, "leaks", user),
}


@pytest.mark.parametrize("status", MaintenanceStatus.values)
def test_services_allow_actions_by_table(status, organization_a, alice, make_task, tenant):
    for action, act in ACTIONS.items():
        task = make_task(organization_a)
        with tenant(organization_a):
            set_task_status(MaintenanceTask.objects.filter(pk=task.pk), status)
            if status in TRANSITIONS[action].sources:
                after = act(task, alice).status
                # Without a due time, an update makes an overdue task scheduled again.
                assert after == status or may_follow(status, after)
                assert after in (TRANSITIONS[action].targets or {status, "scheduled"})
            else:
                with pytest.raises(TaskStateError):
                    act(task, alice)


@pytest.mark.parametrize("status", MaintenanceStatus.values)
def test_mark_overdue_changes_tasks_by_table(status, organization_a, make_task, tenant):
    make_task(organization_a, due_at=timezone.now() - timedelta(hours=1))
    with tenant(organization_a):
        set_task_status(MaintenanceTask.objects.all(), status)
        assert tasks_mark_overdue() == int(allows(MaintenanceAction.MARK_OVERDUE, status))


@pytest.mark.django_db
def test_database_and_code_have_same_transitions():
    with connection.cursor() as cursor:
        for before in (None, *MaintenanceStatus.values):
            for after in MaintenanceStatus.values:
                cursor.execute("SELECT is_task_transition(%s, %s)", [before, after])
                is_allowed = cursor.fetchone()[0]
                assert is_allowed is may_follow(before, after), (before, after)
                assert is_allowed is (after in NEXT[before or "scheduled"]), (before, after)


def test_task_without_status_counts_as_scheduled():
    for action in MaintenanceAction:
        assert allows(action, None) == allows(action, MaintenanceStatus.SCHEDULED)


def test_every_action_has_a_transition():
    assert set(TRANSITIONS) == set(MaintenanceAction)
    internal = {MaintenanceAction.MARK_OVERDUE, MaintenanceAction.RESCHEDULE}
    # Only who works on a task can leave it: tests/maintenance/test_labour.py. Steps are those of
    # a template: tests/maintenance/test_checklists.py.
    assert set(ACTIONS) == set(MaintenanceAction) - internal - {
        MaintenanceAction.LEAVE,
        MaintenanceAction.RECORD_STEP,
    }


@pytest.mark.parametrize(
    ("settings", "cost", "needs_approval"),
    [
        ({}, Decimal(9999), False),
        ({"maintenance_approval_above_cost": 100}, None, False),
        ({"maintenance_approval_above_cost": 100}, Decimal(100), False),
        ({"maintenance_approval_above_cost": 100}, Decimal("100.01"), True),
        ({"maintenance_approval_above_cost": 0}, Decimal("0.01"), True),
        ({"maintenance_approval_types": ["lubrication"]}, None, True),
        ({"maintenance_approval_types": ["cleaning"]}, Decimal(5), False),
    ],
)
def test_completion_waits_for_approval_by_settings(
    settings, cost, needs_approval, organization_a, alice, bob, make_task, tenant, approval_settings
):
    approval_settings(**settings)
    task = make_task(organization_a, cost=cost)
    with tenant(organization_a):
        task_start(task, alice)
        done = task_complete(task, "Greased.", alice)
        assert done.status == ("requires_approval" if needs_approval else "completed")
        assert (done.completed_at is None) is needs_approval
        assert done.finished_by == alice
        if needs_approval:
            approved = task_approve(task, bob)
            assert (approved.status, approved.approved_by) == ("completed", bob)
            assert approved.completed_at == done.finished_at
            action = "maintenance.maintenance_task.approve"
            assert AuditLog.objects.get(resource_id=task.pk, action=action).after["approved_by"]


@pytest.mark.parametrize("reason", ["", "  ", "\u2800", "x" * 1001])
def test_reason_that_is_empty_or_too_long_is_rejected(reason, organization_a, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        task_start(task)
        for act in (task_hold, task_cancel):
            with pytest.raises(ValidationError) as raised:
                act(task, reason)
            assert set(raised.value.message_dict) == {"reason"}


def test_start_after_reopening_keeps_first_start(organization_a, alice, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        started = task_start(task, alice).started_at
        task_complete(task, None, alice)
        reopened = task_reopen(task, "Leaks again.", alice)
        assert (reopened.status, reopened.completed_at) == ("pending", None)
        assert task_start(task, alice).started_at == started


def test_reopen_of_retired_robots_task_is_rejected(
    organization_a, alice, make_robot, make_task, tenant
):
    robot = make_robot(organization_a)
    task = make_task(organization_a, robot=robot)
    with tenant(organization_a):
        task_start(task, alice)
        task_complete(task, None, alice)
        type(robot).objects.filter(pk=robot.pk).update(is_active=False, lifecycle="retired")
        with pytest.raises(ValidationError, match="retired"):
            task_reopen(task, "Leaks.", alice)


def test_comments_and_changed_events_are_audited(organization_a, alice, make_task, tenant):
    task = make_task(organization_a)
    with tenant(organization_a):
        task_start(task, alice)
        task_comment(task, alice, text=" Needs a new nipple. ")
        event = TaskEvent.objects.get(kind="commented")
        assert (event.text, event.user) == ("Needs a new nipple.", alice)
        row = AuditLog.objects.get(action="maintenance.maintenance_task.comment")
        assert row.resource_id == event.pk
        assert row.after["text"] == "Needs a new nipple."
        TaskEvent.objects.filter(kind="started").update(text="changed")
        changed = TaskEvent.objects.get(kind="started")
        assert AuditLog.objects.filter(resource_id=changed.pk).count() == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_completions_succeed_once(organization_a, make_task):
    task = make_task(organization_a)
    with tenant_transaction(organization_a.id):
        task_start(task)

    def complete():
        with tenant_transaction(organization_a.id):
            return task_complete(MaintenanceTask.objects.get(pk=task.pk), "done")

    outcome = run_concurrently(*[complete] * 50)
    kinds = [type(item).__name__ for item in outcome]
    assert (kinds.count("MaintenanceTask"), kinds.count("TaskStateError")) == (1, 49)
    with tenant_transaction(organization_a.id):
        done = MaintenanceTask.objects.get()
        assert (done.status, done.notes) == ("completed", "done")
        assert done.actual_duration == math.ceil(
            (done.completed_at - done.started_at).total_seconds() / 60
        )
        assert TaskEvent.objects.filter(kind="completed").count() == 1


def test_life_cycle_over_api(
    organization_a, make_user, client_for, make_task, tenant, approval_settings
):
    approval_settings(maintenance_approval_types=["lubrication"])
    technician = client_for(make_user(organization_a, "technician"))
    manager = client_for(make_user(organization_a, "manager"))
    path = f"/api/v1/maintenance-tasks/{make_task(organization_a).pk}"

    def post(client, action, **body):
        return client.post(f"{path}/{action}", body, content_type="application/json")

    assert post(technician, "hold", reason="x").json()["code"] == "task_state"
    assert post(technician, "start").json()["status"] == "in_progress"
    assert post(technician, "hold").status_code == 400
    held = post(technician, "hold", reason="No grease.").json()
    assert (held["status"], held["hold_reason"]) == ("on_hold", "No grease.")
    resumed = post(technician, "resume").json()
    assert (resumed["status"], resumed["hold_reason"]) == ("in_progress", "")
    assert post(technician, "complete", notes="Done.").json()["status"] == "requires_approval"
    assert post(technician, "approve").status_code == 403
    assert post(manager, "send-back", reason="Wrong grease.").json()["status"] == "pending"
    assert post(manager, "start").json()["status"] == "in_progress"
    assert post(manager, "complete").json()["status"] == "requires_approval"
    own = post(manager, "approve")
    assert (own.status_code, own.json()["code"]) == (403, "approval_by_author")
    boss = client_for(make_user(organization_a, "admin"))
    approved = post(boss, "approve").json()
    assert (approved["status"], approved["completed_at"]) == (
        "completed", approved["finished_at"],
    )  # fmt: skip
    assert post(technician, "reopen", reason="Leaks.").json()["status"] == "pending"
    assert post(technician, "comment", text="Bring towels.").status_code == 200
    events = technician.get(f"{path}/events").json()
    assert [event["kind"] for event in events] == [
        "commented", "reopened", "approved", "submitted", "started", "sent_back", "submitted",
        "resumed", "held", "started",
    ]  # fmt: skip
    assert events[-2]["text"] == "No grease."
