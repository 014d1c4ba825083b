"""Templates, and the checklists that tasks copy from them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.maintenance.exceptions import (
    ChecklistIncompleteError,
    StepConflictError,
    TaskStateError,
)
from apps.maintenance.models import MaintenanceTask, TaskStep, TaskTemplate
from apps.maintenance.services.parts import part_create
from apps.maintenance.services.planner import schedules_open_due_tasks
from apps.maintenance.services.schedules import schedule_create
from apps.maintenance.services.tasks import (
    StepEntry,
    task_complete,
    task_hold,
    task_start,
    task_step_follow_up,
    task_step_record,
)
from apps.maintenance.services.templates import (
    PartDraft,
    StepDraft,
    template_create,
    template_update,
)
from apps.robots.services.robots import robot_retire
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import Actor, tenant_transaction

STEPS = (
    StepDraft("Light curtain stops the robot", "pass_fail"),
    StepDraft("Backlash", "number", "mm", Decimal("0.05"), Decimal("0.2")),
    StepDraft("Running hours", "meter", "h"),
    StepDraft("Remarks", "text", is_required=False),
)
PASSED, FAILED = StepEntry(outcome="passed"), StepEntry(outcome="failed")


@pytest.fixture
def make_template(tenant):
    def make(organization, title="Inspection", steps=STEPS, **fields):
        with tenant(organization):
            return template_create(
                organization_id=organization.id,
                **{"title": title, "type": "inspection", "steps": steps, **fields},
            )

    return make


@pytest.fixture
def started(organization_a, make_template, make_task, tenant):
    """A task of a template, in progress."""
    task = make_task(organization_a, template=make_template(organization_a))
    with tenant(organization_a):
        return task_start(task)


def steps_of(task):
    return list(TaskStep.objects.filter(task=task))


def test_task_copies_steps_and_keeps_them(organization_a, make_template, make_task, tenant):
    template = make_template(organization_a, description="Lock out first", estimated_duration=30)
    task = make_task(organization_a, template=template)
    assert (task.description, task.estimated_duration) == ("Lock out first", 30)
    assert make_task(organization_a, template=template, estimated_duration=0).description
    with tenant(organization_a):
        template_update(template, steps=[StepDraft("Other", "text")], title="Other")
        copied = [(s.title, s.kind, s.unit, s.minimum, s.maximum, s.is_required)
                  for s in steps_of(task)]  # fmt: skip
        assert copied == [
            (s.title, s.kind, s.unit, s.minimum, s.maximum, s.is_required) for s in STEPS
        ]
        assert [s.title for s in template.steps.all()] == ["Other"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"steps": [StepDraft("", "text")]}, "steps"),
        ({"steps": [StepDraft("a\u200b", "text")]}, "steps"),
        ({"steps": [StepDraft("a", "guess")]}, "steps"),
        ({"steps": [StepDraft("a", "text", minimum=Decimal(1))]}, "steps"),
        ({"steps": [StepDraft("a", "number", "mm", Decimal(2), Decimal(1))]}, "steps"),
        ({"steps": [StepDraft("a", "number", "mm", Decimal("1e20"))]}, "steps"),
        ({"steps": [StepDraft("a", "number", "x" * 21)]}, "steps"),
        ({"steps": [StepDraft("a", "text")] * 101}, "steps"),
        ({"skills": ["x" * 51]}, "skills"),
        ({"skills": [f"s{n}" for n in range(21)]}, "skills"),
        ({"title": "Inspection"}, "title"),
        ({"type": "guess"}, "type"),
        ({"parts": "foreign"}, "parts"),
        ({"parts": "zero"}, "parts"),
        ({"parts": "twice"}, "parts"),
    ],
)
def test_invalid_template_is_rejected(
    organization_a, organization_b, make_template, tenant, changes, field
):
    make_template(organization_a)
    with tenant(organization_b):
        foreign = part_create(organization_id=organization_b.id, number="F", name="F")
    with tenant(organization_a):
        own = part_create(organization_id=organization_a.id, number="O", name="O")
    drafts = {
        "foreign": [PartDraft(foreign, Decimal(1))],
        "zero": [PartDraft(own, Decimal(0))],
        "twice": [PartDraft(own, Decimal(1))] * 2,
    }
    if "parts" in changes:
        changes = {"parts": drafts[changes["parts"]]}
    with pytest.raises(ValidationError) as raised:
        make_template(organization_a, **{"title": "New", **changes})
    assert set(raised.value.message_dict) == {field}
    with tenant(organization_a):
        assert [t.title for t in TaskTemplate.objects.all()] == ["Inspection"]


def test_required_steps_block_completion_by_name(organization_a, started, tenant, alice):
    with tenant(organization_a):
        with pytest.raises(ChecklistIncompleteError) as raised:
            task_complete(started, None, alice)
        assert raised.value.message == (
            'Record the required steps first: "Light curtain stops the robot", "Backlash",'
            ' "Running hours".'
        )
        first, second, third, _ = steps_of(started)
        task_step_record(first, FAILED, alice)
        task_step_record(second, StepEntry(number=Decimal("0.1")), alice)
        with pytest.raises(ChecklistIncompleteError, match='step first: "Running hours"'):
            task_complete(started, None, alice)
        started.refresh_from_db()
        assert started.status == "in_progress"
        task_step_record(third, StepEntry(number=Decimal(1200)), alice)
        assert task_complete(started, None, alice).status == "completed"


@pytest.mark.parametrize(
    ("position", "entry", "outcome"),
    [
        (0, PASSED, "passed"),
        (0, FAILED, "failed"),
        (1, StepEntry(number=Decimal("0.05")), "passed"),
        (1, StepEntry(number=Decimal("0.2")), "passed"),
        (1, StepEntry(number=Decimal("0.201")), "failed"),
        (1, StepEntry(number=Decimal(-1)), "failed"),
        (2, StepEntry(number=Decimal(0)), "passed"),
        (3, StepEntry(text=" Oil on the floor "), "passed"),
    ],
)
def test_entry_gives_outcome(organization_a, started, tenant, alice, position, entry, outcome):
    with tenant(organization_a, Actor(user_id=alice.pk)):
        step = task_step_record(steps_of(started)[position], entry, alice)
        step.refresh_from_db()
        assert (step.outcome, step.version, step.recorded_by) == (outcome, 1, alice)
        assert step.recorded_at is not None
        assert step.text == (entry.text or "").strip()
        log = AuditLog.objects.get(resource_id=step.pk, action="maintenance.task_step.record")
        assert (log.user_id, log.after["outcome"]) == (alice.pk, outcome)


@pytest.mark.parametrize(
    ("position", "entry", "field"),
    [
        (0, StepEntry(), "outcome"),
        (0, StepEntry(outcome="maybe"), "outcome"),
        (0, StepEntry(outcome="passed", number=Decimal(1)), "number"),
        (1, StepEntry(), "number"),
        (1, StepEntry(number=Decimal("NaN")), "number"),
        (1, StepEntry(number=Decimal("1e12")), "number"),
        (1, StepEntry(number=Decimal("0.0001")), "number"),
        (1, StepEntry(number=Decimal(1), text="x"), "text"),
        (2, StepEntry(number=Decimal(-1)), "number"),
        (3, StepEntry(text="\u200b"), "text"),
        (3, StepEntry(text="x" * 4001), "text"),
    ],
)
def test_wrong_entry_is_rejected(organization_a, started, tenant, position, entry, field):
    with tenant(organization_a):
        step = steps_of(started)[position]
        with pytest.raises(ValidationError) as raised:
            task_step_record(step, entry)
        assert set(raised.value.message_dict) == {field}
        step.refresh_from_db()
        assert (step.outcome, step.version) == (None, 0)


def test_steps_are_recorded_in_progress_only(organization_a, make_template, make_task, tenant):
    task = make_task(organization_a, template=make_template(organization_a))
    with tenant(organization_a):
        step = steps_of(task)[0]
        with pytest.raises(TaskStateError, match="task is scheduled"):
            task_step_record(step, PASSED)
        task_start(task)
        task_hold(task, "no parts")
        with pytest.raises(TaskStateError, match="task is on hold"):
            task_step_record(step, PASSED)


def test_entry_on_an_older_version_is_a_conflict(organization_a, started, tenant, alice):
    with tenant(organization_a):
        step = steps_of(started)[0]
        task_step_record(step, FAILED, alice, version=0)
        with pytest.raises(StepConflictError, match=f"failed by {alice}"):
            task_step_record(step, PASSED, version=0)
        # The same entry again changes nothing.
        assert task_step_record(step, FAILED, version=0).version == 1
        assert task_step_record(step, PASSED, version=1).version == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_entries_with_one_version_one_wins(organization_a, started):
    with tenant_transaction(organization_a.id):
        step = steps_of(started)[1]

    def record(number):
        with tenant_transaction(organization_a.id):
            return task_step_record(step, StepEntry(number=Decimal(number)), version=0)

    results = run_concurrently(*(lambda n=n: record(n) for n in range(1, 5)))
    assert sum(isinstance(result, TaskStep) for result in results) == 1
    assert sum(isinstance(result, StepConflictError) for result in results) == 3
    with tenant_transaction(organization_a.id):
        step.refresh_from_db()
        assert step.version == 1


def test_failed_step_opens_one_follow_up(organization_a, make_robot, make_template, make_task,
                                         tenant, alice):  # fmt: skip
    robot = make_robot(organization_a)
    task = make_task(organization_a, template=make_template(organization_a), robot=robot,
                     priority="high")  # fmt: skip
    with tenant(organization_a):
        task_start(task)
        step = steps_of(task)[0]
        with pytest.raises(TaskStateError, match="Only a failed step"):
            task_step_follow_up(step, alice)
        task_step_record(step, FAILED)
        created = task_step_follow_up(step, alice)
        assert (created.type, created.priority, created.robot, created.created_by) == (
            "corrective", "high", robot, alice,
        )  # fmt: skip
        assert created.title == "Light curtain stops the robot (Grease)"
        with pytest.raises(TaskStateError, match="already"):
            task_step_follow_up(step, alice)
        step.refresh_from_db()
        assert step.follow_up == created
        second = task_step_record(steps_of(task)[1], StepEntry(number=Decimal(9)))
        robot_retire(robot)
        with pytest.raises(ValidationError):
            task_step_follow_up(second)


def test_schedule_gives_its_tasks_the_checklist(organization_a, make_robot, make_template, tenant,
                                                alice):  # fmt: skip
    robot = make_robot(organization_a)
    template = make_template(organization_a)
    now = timezone.now()
    with tenant(organization_a):
        for title, used in (("With", template), ("Without", None)):
            schedule_create(
                organization_id=organization_a.id, created_by=alice, title=title,
                type="inspection", robot=robot, template=used, frequency="daily",
                starts_on=now.date(), lead_days=2,
            )  # fmt: skip
        assert schedules_open_due_tasks(organization_id=organization_a.id, now=now)[1] == 2
        tasks = {task.title: task for task in MaintenanceTask.objects.all()}
        assert [step.title for step in steps_of(tasks["With"])] == [s.title for s in STEPS]
        assert steps_of(tasks["Without"]) == []
        assert tasks["With"].template == template


def test_inactive_or_foreign_template_is_rejected(
    organization_a, organization_b, make_template, make_task, tenant, alice
):
    own, foreign = make_template(organization_a), make_template(organization_b)
    with tenant(organization_a):
        template_update(own, is_active=False)
        own.refresh_from_db()
    for template, message in ((own, "inactive"), (foreign, "not found")):
        with pytest.raises(ValidationError, match=message):
            make_task(organization_a, template=template)
    with tenant(organization_a), pytest.raises(ValidationError, match="not found"):
        schedule_create(
            organization_id=organization_a.id, created_by=alice, title="x", type="inspection",
            template=foreign, vendor="abb", model="x", running_hours=5,
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "passed"},
        {"kind": "guess"},
        {"minimum": Decimal(1)},
        {"unit": ""},
        {"title": ""},
        {"position": 2},
    ],
)
def test_database_rejects_what_services_reject(organization_a, started, tenant, change):
    with tenant(organization_a):
        step = steps_of(started)[0]
        with pytest.raises(DatabaseError), transaction.atomic():
            TaskStep.objects.filter(pk=step.pk).update(**change)


ENTRIES = st.one_of(
    st.builds(StepEntry, outcome=st.sampled_from(["passed", "failed"])),
    st.builds(StepEntry, number=st.decimals(-3, 3, places=2)),
    st.builds(StepEntry, text=st.text("ab", min_size=1, max_size=3)),
)


def test_any_entries_equal_the_model(organization_a, started, tenant):
    """Entries of any kind and version, against a plain dictionary."""
    with tenant(organization_a):
        steps = steps_of(started)
    kinds = {"pass_fail": "outcome", "number": "number", "meter": "number", "text": "text"}

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 3), ENTRIES, st.integers(0, 2) | st.none())))
    def run(entries):
        with tenant(organization_a):
            TaskStep.objects.filter(task=started).update(
                outcome=None, number=None, text="", recorded_at=None, recorded_by=None, version=0
            )
            model = {step.pk: (None, 0) for step in steps}
            for place, entry, version in entries:
                step = steps[place]
                value = getattr(entry, kinds[step.kind])
                is_fit = value is not None and not (step.kind == "meter" and value < 0)
                stored, current = model[step.pk]
                error = None
                if not is_fit:
                    error = ValidationError
                elif value != stored and version not in {None, current}:
                    error = StepConflictError
                elif value != stored:
                    model[step.pk] = (value, current + 1)
                if error is None:
                    task_step_record(step, entry, version=version)
                else:
                    with pytest.raises(error):
                        task_step_record(step, entry, version=version)
            found = {
                step.pk: (getattr(step, kinds[step.kind]) or None, step.version)
                for step in steps_of(started)
            }
            assert {
                key: (None if value in {None, ""} else value, version)
                for key, (value, version) in found.items()
            } == {key: (value or None, version) for key, (value, version) in model.items()}

    run()


def test_api_creates_template_and_task_and_records(organization_a, alice, client_for):
    client = client_for(alice)

    def post(path, body, **headers):
        return client.post(f"/api/v1/{path}", body, "application/json", headers=headers)

    body = {
        "title": "Monthly", "type": "inspection", "skills": [" Welding ", "Welding"],
        "steps": [{"title": "Gap", "kind": "number", "unit": "mm", "maximum": "2"}],
    }  # fmt: skip
    created = post("task-templates", body).json()
    assert created["skills"] == ["Welding"]
    assert created["steps"][0]["maximum"] == "2.000"
    page = f"/api/v1/task-templates/{created['id']}"
    assert client.patch(page, {"steps": [{"title": ""}]}, "application/json").status_code == 400
    kept = client.patch(page, {"title": "Yearly"}, "application/json").json()
    assert len(kept["steps"]) == 1
    assert post("task-templates", {**body, "title": "Yearly"}).status_code == 400

    task = post("maintenance-tasks", {"title": "T", "type": "inspection",
                                      "template": created["id"]}).json()  # fmt: skip
    assert task["template"] == created["id"]
    changed = client.patch(
        f"/api/v1/maintenance-tasks/{task['id']}", {"template": None}, "application/json"
    )
    assert changed.status_code == 400
    (step,) = client.get(f"/api/v1/task-steps?task={task['id']}").json()["results"]
    record = f"task-steps/{step['id']}/record"
    assert post(record, {"number": "1"}).json()["code"] == "task_state"
    post(f"maintenance-tasks/{task['id']}/start", {})
    blocked = post(f"maintenance-tasks/{task['id']}/complete", {})
    assert (blocked.status_code, blocked.json()["code"]) == (409, "checklist_incomplete")
    assert post(record, {"number": "3", "version": 0}, idempotency_key="a").json()["version"] == 1
    again = post(record, {"number": "3", "version": 0}, idempotency_key="a")
    assert again.headers["Idempotency-Replayed"] == "true"
    conflict = post(record, {"number": "1", "version": 0})
    assert (conflict.status_code, conflict.json()["version"]) == (409, 1)
    follow_up = post(f"task-steps/{step['id']}/follow-up", {})
    assert (follow_up.status_code, follow_up.json()["type"]) == (201, "corrective")
    assert post(f"maintenance-tasks/{task['id']}/complete", {}).status_code == 200


def test_editor_adds_orders_and_removes_rows(organization_a, alice, make_template, client_for,
                                             tenant):  # fmt: skip
    with tenant(organization_a):
        part_create(organization_id=organization_a.id, number="B-7", name="Belt")
    template = make_template(organization_a)
    page = reverse("admin:maintenance_tasktemplate_change", args=[template.pk])
    client = client_for(alice)
    shown = client.get(page).content.decode()
    assert shown.count("data-row>") == len(STEPS) + 1 + 1 + 1 + 1  # blank rows, and templates
    values = {
        "title": "Inspection", "type": "inspection", "priority": "medium", "is_active": "on",
        "steps_title": ["Remarks", "", "Gap"], "steps_kind": ["text", "text", "number"],
        "steps_unit": ["", "", "mm"], "steps_minimum": ["", "", ""],
        "steps_maximum": ["", "", "2,5"], "steps_need": ["optional", "required", "required"],
        "parts_part": ["B-7", ""], "parts_quantity": ["2", "1"],
    }  # fmt: skip
    refused = client.post(page, values)
    assert "Step 2: enter the limits as numbers." in refused.content.decode()
    assert client.post(page, {**values, "parts_part": ["X", ""]}).status_code == 200
    values["steps_maximum"][2] = "2.5"
    assert client.post(page, values).status_code == 302
    with tenant(organization_a):
        found = [(s.title, s.kind, s.maximum, s.is_required) for s in template.steps.all()]
        assert found == [("Remarks", "text", None, False), ("Gap", "number", Decimal("2.5"), True)]
        assert [(p.part.number, p.quantity) for p in template.parts.all()] == [("B-7", 2)]


def test_reader_sees_the_checklist(organization_a, make_user, make_template, client_for):
    template = make_template(organization_a)
    client = client_for(make_user(organization_a, "viewer"))
    page = client.get(reverse("admin:maintenance_tasktemplate_change", args=[template.pk]))
    assert "Backlash: number, 0.05 to 0.2 mm" in page.content.decode()
