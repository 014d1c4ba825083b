"""A technician's task on a phone whose network drops."""

from __future__ import annotations

import json
import re
from io import BytesIO

import pytest
from PIL import Image

from tests.support.browser_waiting import until

PRELUDE = """
import json
from decimal import Decimal
from apps.accounts.models import User
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.users import system_user_get
from apps.maintenance.models import *
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import part_create, part_stock_create
from apps.maintenance.services.tasks import *
from apps.maintenance.services.templates import PartDraft, StepDraft, template_create
from apps.organizations.services.facilities import facility_create
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    system = system_user_get(organization_id=o)
"""
FILL = """
    hall = facility_create(organization_id=o, name="Hall 9")
    part = part_create(organization_id=o, number="B-9", name="Belt")
    stock = part_stock_create(organization_id=o, part=part, facility=hall, storage_location="A")
    part_movement_create(stock=stock, kind="receive", quantity=Decimal(3))
    template = template_create(
        organization_id=o, title="Inspection", type="inspection",
        steps=[StepDraft("Brake holds", "pass_fail"), StepDraft("Gap", "number", "mm"),
               StepDraft("Label", "photo")], parts=[PartDraft(part, Decimal(1))])
    for number in ("one", "two", "three", "four", "five", "six"):
        task_create(organization_id=o, created_by=system, title=f"Inspect {number}",
                    type="inspection", template=template,
                    assigned_to=User.objects.get(email="a@acme.example"))
"""
READ = """
    task = MaintenanceTask.objects.get(title="Inspect one")
    steps = TaskStep.objects.filter(task=task)
    print("FOUND" + json.dumps({
        "status": task.status, "minutes": task.actual_duration, "notes": task.notes,
        "parts": task.parts_used,
        "steps": [[s.outcome, str(s.number), s.version] for s in steps],
        "files": TaskFile.objects.filter(task=task).count(),
        "events": [e.kind for e in TaskEvent.objects.filter(task=task)],
    }))
"""
EXPECTED = re.compile(r"ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|status of 40[349]")


@pytest.fixture(scope="module")
def filled(served):
    served.manage("shell", "-v0", "-c", PRELUDE + FILL)


@pytest.fixture
def phone(chromium, served, session, filled):
    context = chromium.new_context(
        base_url=served.url, viewport={"width": 390, "height": 844}, has_touch=True,
        is_mobile=True, storage_state=session,
    )  # fmt: skip
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda m: (
            errors.append(m.text) if m.type == "error" and not EXPECTED.search(m.text) else None
        ),
    )
    yield page
    context.close()
    assert not errors


def start(page, title):
    page.goto("/admin/my-work/")
    page.get_by_role("button", name=f"Start {title}").tap()
    page.wait_for_selector("#checklist-title")


def record_gap(page, value):
    page.get_by_label("Gap", exact=True).fill(value)
    page.locator("[data-step]", has_text="Gap").get_by_role("button", name="Save").tap()


DRAFT_KEY = """() => {
  const { user, task } = document.querySelector("[data-work]").dataset;
  return `${user} ${task} ${document.querySelector("[name=number]").form.dataset.draft}`;
}"""


def draft(page, key):
    return page.evaluate("(key) => urfmpWorkStore.draft(key)", key)


def photo():
    output = BytesIO()
    Image.new("RGB", (64, 48), "red").save(output, "JPEG")
    return {"name": "label.jpg", "mimeType": "image/jpeg", "buffer": output.getvalue()}


def test_task_is_completed_in_three_taps_though_the_network_drops(phone, served):
    page = phone
    start(page, "Inspect one")  # 1
    page.get_by_role("button", name="Pass").tap()
    page.wait_for_selector("[data-result]:has-text('Passed')")

    page.context.set_offline(True)
    record_gap(page, "0,4")
    page.wait_for_selector("#unsent-note:has-text('1 entry is kept on this device')")
    page.get_by_label("Label", exact=True).set_input_files(photo())
    page.wait_for_selector("#unsent-note:has-text('2 entries are kept on this device')")
    assert page.locator("[data-waiting]:has-text('Not sent yet')").count() == 2
    page.locator("#finish summary").tap()  # 2
    page.get_by_label("Minutes").fill("25")
    page.get_by_label("Note").fill("All good")
    assert page.get_by_label("Belt, pcs used").input_value() == "1"
    page.get_by_role("button", name="Complete").tap()  # 3
    page.wait_for_selector("#unsent-note:has-text('3 entries are kept on this device')")

    page.context.set_offline(False)
    page.wait_for_selector("#work[data-state=completed]", timeout=20_000)
    assert page.locator("#unsent").is_hidden()
    until(page, "document.documentElement.scrollWidth <= 390")
    found = json.loads(served.manage("shell", "-v0", "-c", PRELUDE + READ).split("FOUND")[1])
    assert found == {
        "status": "completed", "minutes": 25, "notes": "All good",
        "parts": [{"part": "B-9", "name": "Belt", "quantity": 1}],
        "steps": [["passed", "None", 1], ["passed", "0.400", 1], ["passed", "None", 1]],
        "files": 1, "events": ["started", "completed"],
    }  # fmt: skip


RECORD = """
    step = TaskStep.objects.get(task__title="Inspect two", title="Gap")
    task_step_record(step, StepEntry(number=Decimal(9)), system)
"""


def test_conflict_is_shown_and_the_user_decides(phone, served):
    page = phone
    start(page, "Inspect two")
    # What is typed and not saved survives a reload.
    page.get_by_label("Gap", exact=True).fill("0.5")
    page.wait_for_timeout(200)
    page.reload()
    until(page, "document.querySelector('[name=number]').value === '0.5'")
    page.context.set_offline(True)
    row = page.locator("[data-step]", has_text="Gap")
    row.get_by_role("button", name="Save").tap()
    page.wait_for_selector("#unsent-note:has-text('1 entry is kept on this device')")
    served.manage("shell", "-v0", "-c", PRELUDE + RECORD)
    page.context.set_offline(False)
    page.wait_for_selector("#unsent-rows:has-text('was recorded meanwhile: 9 mm')", timeout=20_000)
    page.wait_for_selector("#unsent-rows:has-text('You entered: 0.5')")
    key = page.evaluate(DRAFT_KEY)
    assert draft(page, key)
    page.get_by_role("button", name="Replace with my entry").tap()
    page.wait_for_selector("[data-result]:has-text('0.5 mm')")
    assert page.locator("#unsent").is_hidden()
    assert draft(page, key) is None


DELETE = """
    MaintenanceTask.objects.get(title="Inspect three").delete()
"""


def test_entry_of_a_deleted_task_does_not_block_others_and_can_be_discarded(phone, served):
    page = phone
    start(page, "Inspect four")
    other = page.url
    start(page, "Inspect three")
    key = page.evaluate(DRAFT_KEY)
    served.manage("shell", "-v0", "-c", PRELUDE + DELETE)
    record_gap(page, "0.7")
    page.wait_for_selector("#unsent-rows:has-text('The task does not exist any more')")
    assert draft(page, key)
    page.goto(other)
    page.wait_for_selector("#unsent-rows:has-text('You entered: 0.7')")
    record_gap(page, "0.8")
    page.wait_for_selector("[data-result]:has-text('0.8 mm')")
    page.get_by_role("button", name="Discard my entry").tap()
    page.wait_for_selector("#unsent", state="hidden")
    assert draft(page, key) is None


# As if the answer to the entry was lost a day ago.
TRIED = """async () => {
  const { user } = document.querySelector("[data-work]").dataset;
  for (const entry of await urfmpWorkStore.entries(user)) {
    await urfmpWorkStore.put({ ...entry, triedAt: Date.now() - 24 * 3_600_000 });
  }
}"""


def test_entry_tried_a_day_ago_is_not_sent_without_the_users_decision(phone):
    page = phone
    start(page, "Inspect five")
    page.context.set_offline(True)
    record_gap(page, "0.9")
    page.wait_for_selector("#unsent-note:has-text('1 entry is kept on this device')")
    page.evaluate(TRIED)
    record_gap(page, "1")
    page.wait_for_selector("#unsent-rows:has-text('It may have been saved already.')")
    page.wait_for_selector("#unsent-rows:has-text('You entered: 0.9')")
    page.wait_for_selector("#unsent-note:has-text('1 entry is kept on this device')")
    page.context.set_offline(False)
    page.get_by_role("button", name="Discard my entry").tap()
    page.wait_for_selector("[data-result]:has-text('1 mm')")
    assert page.get_by_label("Gap", exact=True).input_value() == "1"


ATTEMPTS = """async () => {
  const { user } = document.querySelector("[data-work]").dataset;
  return (await urfmpWorkStore.entries(user)).map((entry) => [entry.state, entry.triedAt]);
}"""


def test_entry_sent_without_a_session_waits_and_is_not_tried(phone):
    page = phone
    start(page, "Inspect six")
    page.context.clear_cookies()
    record_gap(page, "1")
    page.wait_for_selector("#unsent-note:has-text('Sign in again to send them.')")
    assert page.evaluate(ATTEMPTS) == [["waiting", 0]]
