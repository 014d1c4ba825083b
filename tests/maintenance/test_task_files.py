"""Photos and documents on tasks and their steps."""

from __future__ import annotations

import base64
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from PIL import Image

from apps.audit.models import AuditLog
from apps.maintenance.exceptions import (
    ChecklistIncompleteError,
    FileLimitError,
    InsufficientStockError,
    TaskStateError,
)
from apps.maintenance.models import PartStock, TaskFile, TaskStep
from apps.maintenance.services import task_files as module
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import part_create, part_stock_create
from apps.maintenance.services.task_completion import CompletionSheet, task_complete_by_sheet
from apps.maintenance.services.task_files import (
    CheckedFile,
    task_file_add,
    task_file_check,
    task_file_delete,
)
from apps.maintenance.services.tasks import task_cancel, task_complete, task_start
from apps.maintenance.services.templates import StepDraft, template_create

TEXT = CheckedFile("text/plain", b"40 Nm")
PHOTO = CheckedFile("image/jpeg", b"jpeg", 4, 3)


def photo(size=(40, 20), **options):
    output = BytesIO()
    Image.new("RGB", size, "red").save(output, "JPEG", **options)
    return output.getvalue()


@pytest.fixture
def started(organization_a, make_task, tenant):
    """A task in progress with a photo step and a text step."""
    with tenant(organization_a):
        template = template_create(
            organization_id=organization_a.id, title="T", type="inspection",
            steps=[StepDraft("Photo", "photo"), StepDraft("Note", "text", is_required=False)],
        )  # fmt: skip
    task = make_task(organization_a, template=template)
    with tenant(organization_a):
        return task_start(task)


def test_photo_is_upright_without_metadata_and_smaller():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[1] = "N"  # a place
    checked = task_file_check(photo((3000, 1500), exif=exif.tobytes()))
    assert (checked.media_type, checked.width_px, checked.height_px) == ("image/jpeg", 1024, 2048)
    stored = Image.open(BytesIO(checked.content))
    assert stored.size == (1024, 2048)
    assert not stored.getexif()
    assert b"Maker" not in checked.content


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7 anything", "application/pdf"),
        (b"Drehmoment: 40 Nm\n", "text/plain"),
    ],
)
def test_document_is_kept_as_it_is(content, media_type):
    checked = task_file_check(content)
    assert (checked.media_type, checked.content, checked.width_px) == (media_type, content, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 10,
        b"MZ\x90\x00",
        b"\xff\xfe",
        b"\xff\xd8\xff damaged",
        b"\x89PNG\r\n\x1a\n damaged",
        photo()[:200],
        b"x" * (module.MAX_FILE_BYTES + 1),
    ],
    ids=range(8),
)
def test_other_content_is_rejected(content):
    with pytest.raises(ValidationError) as raised:
        task_file_check(content)
    assert set(raised.value.message_dict) == {"content"}


def test_photo_records_its_step_until_it_is_deleted(organization_a, started, tenant, alice):
    with tenant(organization_a):
        step, note = TaskStep.objects.filter(task=started)
        with pytest.raises(ValidationError, match="needs a photo"):
            task_file_add(started, TEXT, file_name="a.txt", step=step)
        with pytest.raises(ChecklistIncompleteError, match="Photo"):
            task_complete(started)
        first = task_file_add(started, PHOTO, file_name="../a\n.jpg", user=alice, step=step)
        assert first.file_name == "a .jpg"
        first_id = first.pk
        second = task_file_add(started, PHOTO, file_name="b.jpg", step=step)
        task_file_add(started, TEXT, file_name="c.txt", step=note)
        task_file_delete(first)
        step.refresh_from_db()
        note.refresh_from_db()
        assert (step.outcome, note.outcome) == ("passed", None)
        task_file_delete(second)
        step.refresh_from_db()
        assert (step.outcome, step.recorded_at) == (None, None)
        log = {row.action: row for row in AuditLog.objects.filter(resource_id=first_id)}
        assert set(log) == {"maintenance.task_file.add", "maintenance.task_file.delete"}
        assert "content" not in log["maintenance.task_file.add"].after


def test_step_of_another_task_and_closed_task_are_rejected(
    organization_a, started, make_task, tenant
):
    other = make_task(organization_a)
    with tenant(organization_a):
        step = TaskStep.objects.filter(task=started).first()
        with pytest.raises(ValidationError, match="another task"):
            task_file_add(other, PHOTO, file_name="a.jpg", step=step)
        file = task_file_add(other, TEXT, file_name="a.txt")
        task_cancel(other, "no")
        with pytest.raises(TaskStateError, match="cancelled"):
            task_file_add(other, TEXT, file_name="b.txt")
        with pytest.raises(TaskStateError, match="cancelled"):
            task_file_delete(file)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("MAX_FILES_PER_TASK", 1),
        ("MAX_BYTES_PER_TASK", 8),
        ("MAX_BYTES_PER_ORGANIZATION", 8),
    ],
)
def test_limits(organization_a, started, tenant, monkeypatch, limit, value):
    monkeypatch.setattr(module, limit, value)
    with tenant(organization_a):
        task_file_add(started, TEXT, file_name="a.txt")
        with pytest.raises(FileLimitError):
            task_file_add(started, TEXT, file_name="b.txt")
        assert TaskFile.objects.count() == 1


@pytest.fixture
def stock(organization_a, make_facility, tenant):
    facility = make_facility(organization_a, "Hall")
    with tenant(organization_a):
        stock = part_stock_create(
            organization_id=organization_a.id,
            part=part_create(organization_id=organization_a.id, number="B-7", name="Belt"),
            facility=facility,
            storage_location="Shelf",
        )
        part_movement_create(stock=stock, kind="receive", quantity=Decimal(2))
    return stock


def test_sheet_completes_with_parts_and_photos_or_not_at_all(
    organization_a, make_task, stock, tenant, alice
):
    task = make_task(organization_a)
    with tenant(organization_a):
        task_start(task)

        def complete(quantity):
            sheet = CompletionSheet(
                "Done", 25, parts=[(stock, Decimal(quantity))], photos=[(PHOTO, "a.jpg")]
            )
            return task_complete_by_sheet(task, sheet, alice)

        with pytest.raises(InsufficientStockError):
            complete(3)
        assert (TaskFile.objects.count(), PartStock.objects.get().quantity) == (0, 2)
        done = complete(2)
        done.refresh_from_db()
        assert (done.status, done.actual_duration, done.notes) == ("completed", 25, "Done")
        assert done.parts_used == [{"part": "B-7", "name": "Belt", "quantity": 2}]
        assert TaskFile.objects.get().task == done


def test_api_stores_and_serves_files(organization_a, organization_b, started, alice, make_user,
                                     client_for, tenant):  # fmt: skip
    client = client_for(alice)

    def send(content, name="a.jpg", **fields):
        body = {"task": str(started.pk), "file_name": name,
                "content": base64.b64encode(content).decode(), **fields}  # fmt: skip
        return client.post("/api/v1/task-files", body, "application/json")

    with tenant(organization_a):
        step = TaskStep.objects.filter(task=started).first()
    created = send(photo(), step=str(step.pk)).json()
    assert (created["media_type"], created["width_px"]) == ("image/jpeg", 40)
    page = f"/api/v1/task-files/{created['id']}"
    served = client.get(f"{page}/content")
    assert served["Content-Type"] == "image/jpeg"
    assert served["Content-Disposition"] == "inline; filename*=UTF-8''a.jpg"
    assert served["X-Content-Type-Options"] == "nosniff"
    assert served["Content-Security-Policy"].endswith("sandbox")
    assert len(served.content) == created["size_bytes"]
    again = client.get(f"{page}/content", headers={"if-none-match": served["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    # A page is never shown: browsers save it.
    text = send(b"<script>alert(1)</script>", 'x"\r\n.html').json()
    saved = client.get(f"/api/v1/task-files/{text['id']}/content")
    assert saved["Content-Type"] == "text/plain; charset=utf-8"
    assert saved["Content-Disposition"].startswith("attachment; filename*=UTF-8''x%22")
    assert send(b"\0").status_code == 400
    assert (
        client.post("/api/v1/task-files", {"content": "%"}, "application/json").status_code == 400
    )
    other = client_for(make_user(organization_b, "admin"))
    assert other.get(f"{page}/content").status_code == 404
    assert client_for(make_user(organization_a, "viewer")).delete(page).status_code == 403
    assert client.delete(page).status_code == 204
    assert client.get(f"{page}/content").status_code == 404
