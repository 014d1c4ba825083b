"""The work page of a task: each act by a plain form, and as the script sends it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from apps.maintenance.models import MaintenanceTask, TaskFile, TaskStep
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import part_create, part_stock_create
from apps.maintenance.services.tasks import StepEntry, task_create, task_start, task_step_record
from apps.maintenance.services.templates import PartDraft, StepDraft, template_create
from tests.support.statements import request_statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def stock(organization_a, make_facility, tenant):
    facility = make_facility(organization_a, "Hall 1")
    with tenant(organization_a):
        stock = part_stock_create(
            organization_id=organization_a.id,
            part=part_create(organization_id=organization_a.id, number="B-7", name="Belt"),
            facility=facility,
            storage_location="Shelf 3",
        )
        part_movement_create(stock=stock, kind="receive", quantity=Decimal(5))
    return stock


@pytest.fixture
def task(organization_a, alice, stock, tenant):
    """A task in progress: three steps, and one belt planned."""
    with tenant(organization_a):
        template = template_create(
            organization_id=organization_a.id, title="Inspection", type="inspection",
            steps=[StepDraft("Brake", "pass_fail"),
                   StepDraft("Gap", "number", "mm", None, Decimal(2)),
                   StepDraft("Label", "photo")],
            parts=[PartDraft(stock.part, Decimal(1))],
        )  # fmt: skip
        created = task_create(
            organization_id=organization_a.id, created_by=alice, title="Inspect",
            type="inspection", template=template,
        )  # fmt: skip
        return task_start(created, alice)


@pytest.fixture
def client(organization_a, make_user, client_for):
    return client_for(make_user(organization_a, "technician"))


@pytest.fixture
def act(client, task):
    """Return a function that sends an act as the script does."""
    page = reverse("admin:task_work_page", args=[task.pk])

    def send(name, token=None, **values):
        values = {"act": name, "form_token": token or uuid.uuid4().hex, **values}
        return client.post(page, values, headers={"accept": "application/json"})

    return send


def picture():
    output = BytesIO()
    Image.new("RGB", (40, 30), "red").save(output, "JPEG")
    return SimpleUploadedFile("label.jpg", output.getvalue(), "image/jpeg")


@pytest.fixture
def steps(organization_a, task, tenant):
    with tenant(organization_a):
        return list(TaskStep.objects.filter(task=task))


def test_page_shows_steps_and_sheet_with_few_queries(client, task):
    page = reverse("admin:task_work_page", args=[task.pk])
    client.get(page)
    with CaptureQueriesContext(connection) as queries:
        text = client.get(page).content.decode()
    statements = request_statements(queries)
    assert len(statements) <= 14
    assert "0 of 3" in text
    assert "at most 2 mm" in text
    assert "Hall 1, Shelf 3: 5 pcs available" in text


def test_work_from_the_checklist_to_completion(organization_a, task, steps, stock, act, tenant):
    brake, gap, label = steps
    assert act("complete").json()["errors"][0].startswith("Record the required steps first")
    assert act("record", step=brake.pk, outcome="failed", version=0).json()["version"] == 1
    assert act("record", step=gap.pk, number="1,5", version=0).status_code == 200
    assert act("photo", step=label.pk, photo=picture()).status_code == 200
    assert act("follow-up", step=brake.pk).json() == {"message": "Opened: Brake (Inspect)."}
    done = act("complete", minutes="25", note="All good", photo=picture(),
               **{f"quantity-{stock.pk}": "1"})  # fmt: skip
    assert done.json() == {"message": "Completed."}
    with tenant(organization_a):
        task.refresh_from_db()
        stock.refresh_from_db()
        assert (task.status, task.actual_duration, task.notes) == ("completed", 25, "All good")
        assert stock.quantity == 4
        assert TaskFile.objects.count() == 2


def test_repeated_act_is_processed_once(organization_a, task, steps, act, tenant):
    label = steps[2]
    for _ in range(2):
        answer = act("photo", token="a" * 32, step=label.pk, photo=picture())
        assert answer.json() == {"message": "Added: Label."}
    with tenant(organization_a):
        assert TaskFile.objects.count() == 1
    assert act("hold", token="a" * 32, reason="x").status_code == 422


def test_conflict_names_the_other_entry(organization_a, alice, steps, act, tenant):
    with tenant(organization_a):
        task_step_record(steps[0], StepEntry(outcome="failed"), alice)
    answer = act("record", step=steps[0].pk, outcome="passed", version=0)
    assert (answer.status_code, answer.json()["version"]) == (409, 1)
    assert f"failed by {alice}" in answer.json()["errors"][0]
    assert act("record", step=steps[0].pk, outcome="passed", version=1).json()["version"] == 2


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("", {}, "Press one of the buttons."),
        ("record", {"step": "x"}, "The task has no such step. Load the page again."),
        ("record", {"step": str(uuid.uuid4())}, "The task has no such step. Load the page again."),
        ("record", {"step": "gap", "number": "much"}, "Enter a number."),
        ("photo", {}, "Select a photo or a file."),
        ("hold", {"reason": " "}, "Enter what the work waits for."),
        ("complete", {"minutes": "many"}, "Enter the minutes as a whole number."),
        ("complete", {"quantity-x": "1"}, "Load the page again."),
        ("complete", {f"quantity-{uuid.uuid4()}": "1"},
         "A part is no longer kept in this place. Load the page again."),
        ("complete", {f"quantity-{uuid.uuid4()}": "much"}, "Enter a quantity."),
    ],
)  # fmt: skip
def test_invalid_act_is_explained(organization_a, task, steps, act, tenant, name, values, message):
    if values.get("step") == "gap":
        values = {**values, "step": steps[1].pk}
    answer = act(name, **values)
    assert (answer.status_code, answer.json()["errors"]) == (400, [message])
    with tenant(organization_a):
        assert MaintenanceTask.objects.get().status == "in_progress"


def test_sheet_keeps_what_was_typed(client, task):
    page = reverse("admin:task_work_page", args=[task.pk])
    answer = client.post(page, {"act": "complete", "minutes": "25", "note": "All good"})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert 'value="25"' in text
    assert "All good</textarea>" in text
    assert 'id="finish" open' in text


def test_viewer_reads_only_and_others_find_nothing(
    organization_a, organization_b, task, make_user, client_for
):
    page = reverse("admin:task_work_page", args=[task.pk])
    viewer = client_for(make_user(organization_a, "viewer"))
    assert "data-queue" not in viewer.get(page).content.decode()
    assert viewer.post(page, {"act": "hold", "reason": "x"}).status_code == 403
    other = client_for(make_user(organization_b, "admin"))
    assert other.get(page).status_code == 404
    assert other.post(page, {"act": "start"}).status_code == 404
