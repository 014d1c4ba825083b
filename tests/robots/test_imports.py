"""Imports of robots: check, run, permissions, crashes."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.services.api_keys import api_key_revoke
from apps.accounts.services.quotas import PLAN_LIMITS
from apps.audit.models import AuditLog
from apps.robots.exceptions import RobotImportStateError, TooManyRobotImportsError
from apps.robots.models import Robot, RobotImport, RobotImportRow
from apps.robots.protocols.fleet_files.readers import read_fleet_file, rows_of_objects
from apps.robots.selectors.imports import import_counts, import_errors
from apps.robots.services.imports import runs
from apps.robots.services.imports.control import (
    robot_import_cancel,
    robot_import_create,
    robot_import_start,
)
from apps.robots.services.imports.runs import (
    robot_import_run,
    robot_imports_clean_up,
    robot_imports_resume,
)
from apps.robots.services.robots import robot_retire
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import Actor

PAGE = "/admin/robots/imports/"
API = "/api/v1/robot-imports"


@pytest.fixture
def upload(organization_a, alice, tenant):
    """Return a function that uploads objects or a file, and checks them."""

    def make(content, *, check=True, **author):
        rows = read_fleet_file(content) if isinstance(content, bytes) else rows_of_objects(content)
        author = author or {"created_by": alice}
        with tenant(organization_a):
            row = robot_import_create(organization_id=organization_a.pk, rows=rows, **author)
        if check:
            run(row)
        return row

    return make


def run(row, max_seconds=60.0):
    return robot_import_run(
        organization_id=row.organization_id, import_id=row.pk, max_seconds=max_seconds
    )


@pytest.fixture
def start(organization_a, tenant):
    def begin(row, mode="good_rows"):
        with tenant(organization_a):
            return robot_import_start(row, mode=mode)

    return begin


@pytest.fixture
def counts(organization_a, tenant):
    """Return a function that gives create, update, unchanged, bad and done."""

    def get(row):
        with tenant(organization_a):
            return tuple(import_counts(row).values())

    return get


@pytest.fixture
def state(organization_a, tenant):
    def get(row):
        with tenant(organization_a):
            return RobotImport.objects.get(pk=row.pk).status

    return get


def names(tenant, organization):
    with tenant(organization):
        return set(Robot.objects.values_list("name", flat=True))


def new(*numbers):
    return [{"serial_number": n, "name": f"Robot {n}", "vendor": "kuka"} for n in numbers]


def test_check_changes_nothing_and_import_does(
    upload, start, counts, state, make_robot, organization_a, tenant
):
    old = make_robot(
        organization_a, name="Old", serial_number="OLD", location={"area": "A", "cell": "1"},
        configuration={"axes": 6, "customSettings": {"a": 1}},
    )  # fmt: skip
    same = make_robot(organization_a, name="Same", serial_number="SAME", vendor="kuka")
    rows = [
        *new("NEW"),
        {"serial_number": "old", "name": "x"},  # serial numbers are compared exactly
        {"serial_number": "OLD", "name": "Renamed", "cell": None, "payload_kg": 5},
        {"id": str(same.pk), "name": "Same", "serial_number": "SAME"},
        {"serial_number": "BAD", "name": "B", "vendor": "kuka", "facility": "Nowhere"},
    ]
    row = upload(rows)
    assert (state(row), counts(row)) == ("checked", (1, 1, 1, 2, 0))
    assert names(tenant, organization_a) == {"Old", "Same"}
    with tenant(organization_a):
        errors = {(e.line, e.column): e.reason for e in import_errors(row, limit=9)}
    assert errors == {
        (2, "vendor"): "This field cannot be blank.",
        (5, "facility"): "Facility Nowhere not found.",
    }
    start(row)
    assert not run(row)
    assert (state(row), counts(row)) == ("completed", (1, 1, 1, 2, 3))
    assert names(tenant, organization_a) == {"Renamed", "Same", "Robot NEW"}
    with tenant(organization_a):
        old.refresh_from_db()
        assert old.location == {"area": "A"}
        assert old.configuration == {"axes": 6, "payload": 5, "customSettings": {"a": 1}}
        assert old.version == 2


def test_import_is_audited_under_its_author(upload, start, alice, organization_a, tenant):
    row = upload(new("A"))
    start(row)
    run(row)
    with tenant(organization_a):
        audit = AuditLog.objects.get(action="robots.robot.import")
        assert (audit.user_id, audit.after["name"]) == (alice.pk, "Robot A")
        acts = AuditLog.objects.filter(resource_type="import").values_list("action", flat=True)
        assert list(acts.order_by("seq")) == [
            "robots.import.create", "robots.import.end", "robots.import.start",
            "robots.import.end",
        ]  # fmt: skip


def test_all_or_nothing_imports_everything(upload, start, counts, state, organization_a, tenant):
    row = upload(new(*"ABC"))
    start(row, "all_or_nothing")
    run(row)
    assert (state(row), counts(row)) == ("completed", (3, 0, 0, 0, 3))
    assert len(names(tenant, organization_a)) == 3


def test_all_or_nothing_with_bad_row_cannot_start(upload, start):
    row = upload([*new("A"), {"serial_number": "B"}])
    with pytest.raises(ValidationError, match="1 rows are bad"):
        start(row, "all_or_nothing")


@pytest.mark.parametrize(("mode", "kept"), [("all_or_nothing", 0), ("good_rows", 2)])
def test_row_that_turns_bad(
    mode, kept, upload, start, counts, state, make_robot, organization_a, tenant, monkeypatch
):
    """Another user adds a robot of the file between the check and the import."""
    monkeypatch.setattr(runs, "_BATCH_ROWS", 2)
    retired = make_robot(organization_a, serial_number="R", name="Retired")
    row = upload([*new(*"ABC"), {"serial_number": "R", "lifecycle": "maintenance"}])
    with tenant(organization_a):
        robot_retire(retired)
        robot_b = Robot.objects.filter(serial_number="B")
        assert not robot_b.exists()
    start(row, mode)
    run(row)
    assert state(row) == ("completed" if kept else "failed")
    assert len(names(tenant, organization_a)) == (4 if kept else 1)
    with tenant(organization_a):
        (error,) = import_errors(row, limit=5)
        assert error.line == 4
        message = RobotImport.objects.get(pk=row.pk).error_message
    assert message == ("" if kept else "Nothing was imported: line 4 is bad.")
    assert counts(row)[-1] == (3 if kept else 0)


@pytest.mark.parametrize(
    ("permissions", "outcome"),
    [(["robot.create"], (1, 0, 0, 1)), (["robot.create", "robot.update"], (1, 1, 0, 0))],
)
def test_rows_need_the_permission_of_their_act(
    permissions, outcome, upload, counts, make_user, make_robot, organization_a
):
    make_robot(organization_a, serial_number="OLD")
    user = make_user(organization_a, "custom", permissions=permissions)
    row = upload([*new("NEW"), {"serial_number": "OLD", "name": "Changed"}], created_by=user)
    assert counts(row)[:4] == outcome


def test_author_who_lost_permission_imports_nothing(
    upload, start, counts, make_user, organization_a, tenant
):
    user = make_user(organization_a, "manager")
    row = upload(new("A"), created_by=user)
    with tenant(organization_a):
        type(user).objects.filter(pk=user.pk).update(role="viewer")
    start(row)
    run(row)
    assert counts(row) == (0, 0, 0, 1, 0)
    assert names(tenant, organization_a) == set()


def test_plan_limit_is_announced_and_kept(
    make_organization, make_user, tenant, monkeypatch, make_robot
):
    monkeypatch.setitem(PLAN_LIMITS["free"], "robots", 2)
    monkeypatch.setattr(runs, "_BATCH_ROWS", 1)
    small = make_organization(plan="free")
    make_robot(small)
    user = make_user(small)
    with tenant(small):
        row = robot_import_create(
            organization_id=small.pk, rows=rows_of_objects(new(*"ABC")), created_by=user
        )
    run(row)
    with tenant(small):
        row.refresh_from_db()
        assert "The plan allows 2 robots, 1 are in use, and the file adds 3." in row.error_message
        robot_import_start(row, mode="good_rows")
    run(row)
    with tenant(small):
        assert Robot.objects.count() == 2
        assert {e.reason[:20] for e in import_errors(row, limit=9)} == {"The plan Free allows"}


def test_foreign_robot_is_unknown(
    upload, counts, make_robot, organization_a, organization_b, tenant
):
    theirs = make_robot(organization_b, serial_number="S")
    row = upload([{"id": str(theirs.pk), "name": "Mine"}, *new("S")])
    assert counts(row) == (1, 0, 0, 1, 0)
    with tenant(organization_a):
        assert import_errors(row, limit=1)[0].reason.startswith("No robot has this id.")


class KilledError(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("mode", ["good_rows", "all_or_nothing"])
def test_crash_neither_loses_nor_repeats_rows(
    mode, upload, start, counts, state, organization_a, tenant, monkeypatch
):
    monkeypatch.setattr(runs, "_BATCH_ROWS", 2)
    row = upload(new(*"ABCDE"))
    start(row, mode)
    apply_all, calls = runs._apply_all, []

    def die_in_second_batch(*arguments):
        calls.append(1)
        results = apply_all(*arguments)
        if len(calls) == 2:
            raise KilledError
        return results

    monkeypatch.setattr(runs, "_apply_all", die_in_second_batch)
    with pytest.raises(KilledError):
        run(row)
    done = 2 if mode == "good_rows" else 0
    assert len(names(tenant, organization_a)) == counts(row)[-1] == done
    assert not run(row)  # its lease is not over
    with tenant(organization_a):
        RobotImport.objects.update(leased_until=timezone.now())
    assert robot_imports_resume(organization_a.pk) == 1
    run(row)
    assert (state(row), counts(row)) == ("completed", (5, 0, 0, 0, 5))
    assert len(names(tenant, organization_a)) == 5


@pytest.fixture
def interrupted(monkeypatch, organization_a, tenant):
    """Return a function that runs an import, with other work before its next write."""

    def run_with(row, other_work):
        own, calls = runs._own, []

        def own_after_pause(found):
            if not calls:
                calls.append(found)
                (result,) = run_concurrently(other_work)  # in a connection of its own
                assert not isinstance(result, Exception), result
            return own(found)

        monkeypatch.setattr(runs, "_own", own_after_pause)
        return run(row)

    return run_with


def end_lease(organization, tenant):
    with tenant(organization):
        RobotImport.objects.update(leased_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_check_that_was_paused_does_not_reopen_imported_rows(
    upload, interrupted, start, state, counts, organization_a, tenant
):
    """Another worker ends the check, and imports, while the first one is paused."""
    row = upload(new(*"ABC"), check=False)

    def other_worker():
        end_lease(organization_a, tenant)
        run(row)
        start(row)
        run(row)

    assert not interrupted(row, other_worker)
    assert (state(row), counts(row)) == ("completed", (3, 0, 0, 0, 3))


@pytest.mark.django_db(transaction=True)
def test_import_that_was_paused_changes_nothing(
    upload, interrupted, start, state, counts, organization_a, tenant
):
    row = upload(new(*"ABC"))
    start(row)

    def other_worker():
        end_lease(organization_a, tenant)
        run(row)

    assert not interrupted(row, other_worker)
    assert (state(row), counts(row)) == ("completed", (3, 0, 0, 0, 3))
    with tenant(organization_a):
        assert AuditLog.objects.filter(action="robots.robot.import").count() == 3


@pytest.mark.django_db(transaction=True)
def test_lease_is_renewed_while_a_batch_lasts(upload, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(runs, "_RENEWAL_SECONDS", 0.05)
    row = upload(new(*"AB"), check=False)
    apply_all, leases = runs._apply_all, []

    def lease():
        with tenant(organization_a):
            return RobotImport.objects.get().leased_until

    def apply_slowly(*arguments):
        leases.extend(run_concurrently(lease))
        time.sleep(0.5)
        leases.extend(run_concurrently(lease))
        return apply_all(*arguments)

    monkeypatch.setattr(runs, "_apply_all", apply_slowly)
    run(row)
    assert leases[1] > leases[0]


def test_waiting_import_is_enqueued_once(upload, organization_a, tenant):
    upload(new("A"), check=False)
    for _ in range(2):
        assert robot_imports_resume(organization_a.pk) == 1
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs"
            " WHERE task_name = 'robots.run_import' AND status = 'todo'"
        )
        assert cursor.fetchone() == (1,)


def test_run_gives_way_and_continues(upload, start, state, counts, monkeypatch):
    monkeypatch.setattr(runs, "_BATCH_ROWS", 1)
    row = upload(new(*"ABC"), check=False)
    turns = 1
    while run(row, max_seconds=0):
        turns += 1
    assert (turns, state(row)) == (4, "checked")
    start(row)
    assert run(row, max_seconds=0)
    assert counts(row)[-1] == 1


def test_cancelled_import_stops(upload, start, state, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(runs, "_BATCH_ROWS", 1)
    row = upload(new(*"ABC"))
    start(row)
    assert run(row, max_seconds=0)
    with tenant(organization_a):
        robot_import_cancel(row)
        with pytest.raises(RobotImportStateError):
            robot_import_cancel(row)
    assert not run(row)
    assert state(row) == "cancelled"
    assert len(names(tenant, organization_a)) == 1


def test_started_import_cannot_start_again(upload, start):
    row = upload(new("A"), check=False)
    with pytest.raises(RobotImportStateError):
        start(row)
    run(row)
    start(row)
    with pytest.raises(RobotImportStateError):
        start(row)


def test_too_many_imports_are_rejected(upload):
    for _ in range(5):
        upload(new("A"), check=False)
    with pytest.raises(TooManyRobotImportsError):
        upload(new("A"), check=False)


def test_clean_up_deletes_old_imports(upload, start, organization_a, tenant):
    row = upload(new("A"))
    start(row)
    run(row)
    assert robot_imports_clean_up(organization_a.pk) == 0
    with tenant(organization_a):
        RobotImport.objects.update(ended_at="2020-01-01T00:00:00Z")
    assert robot_imports_clean_up(organization_a.pk) == 1
    with tenant(organization_a):
        assert not RobotImportRow.objects.exists()


def test_page_uploads_checks_and_imports(alice, client_for, organization_a, tenant):
    client = client_for(alice)
    content = b"serial_number;name;vendor\nA;=cmd;kuka\nB;;kuka\n"
    answer = client.post(PAGE, {"file": SimpleUploadedFile("fleet.csv", content)})
    assert answer.status_code == 302, answer.context["form"].errors
    page = answer["location"]
    assert "data-active" in client.get(page).content.decode()
    with tenant(organization_a):
        row = RobotImport.objects.get()
    run(row)
    text = client.get(page).content.decode()
    assert "Nothing has changed yet." in text
    assert "This field cannot be blank." in text
    errors = client.get(page, {"errors": "csv"})
    assert errors["Content-Disposition"].startswith("attachment")
    assert "3,name,This field cannot be blank.,B," in errors.content.decode("utf-8-sig")
    assert client.post(page, {"mode": "all_or_nothing"}, follow=True).status_code == 200
    assert client.post(page, {"mode": "good_rows"}).status_code == 302
    run(row)
    assert "Completed" in client.get(page).content.decode()
    assert "fleet.csv" in client.get(PAGE).content.decode()
    assert names(tenant, organization_a) == {"=cmd"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"a,b\n1,2\n", "Unknown columns: a, b."), (b"serial_number\n", "no rows")],
)
def test_page_rejects_other_files(content, message, alice, client_for):
    answer = client_for(alice).post(PAGE, {"file": SimpleUploadedFile("f.csv", content)})
    assert answer.status_code == 400
    assert message in answer.content.decode()


def test_api_imports(organization_a, make_key, tenant):
    client = Client(headers={"x-api-key": make_key(organization_a, ["robots:write"])})
    body = {"rows": [*new("A"), {"serial_number": "B"}]}
    created = client.post(API, body, content_type="application/json")
    assert created.status_code == 201, created.content
    address = f"{API}/{created.json()['id']}"
    with tenant(organization_a):
        row = RobotImport.objects.get()
    run(row)
    assert client.get(address).json()["counts"] == {
        "create": 1, "update": 0, "unchanged": 0, "bad": 1, "done": 0,
    }  # fmt: skip
    errors = client.get(f"{address}/errors").json()["errors"]
    assert {(e["line"], e["column"]) for e in errors} == {(2, "name"), (2, "vendor")}
    nothing = client.post(f"{address}/start", {"mode": "all_or_nothing"}, "application/json")
    assert nothing.status_code == 400
    started = client.post(f"{address}/start", {"mode": "good_rows"}, "application/json")
    assert started.json()["status"] == "running"
    run(row)
    assert client.get(address).json()["status"] == "completed"
    again = client.post(f"{address}/start", {"mode": "good_rows"}, "application/json")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_state")
    as_csv = client.post(API, {"csv": "serial_number\nA\n"}, "application/json")
    assert as_csv.json()["row_count"] == 1


def test_revoked_key_imports_nothing(organization_a, make_key, tenant, start, counts):
    from apps.accounts.models import ApiKey

    client = Client(headers={"x-api-key": make_key(organization_a, ["robots:write"])})
    client.post(API, {"rows": new("A")}, content_type="application/json")
    with tenant(organization_a):
        row = RobotImport.objects.get()
        api_key_revoke(ApiKey.objects.get())
    run(row)
    assert counts(row) == (0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    "body",
    [{}, {"rows": []}, {"rows": [1]}, {"rows": [{}], "csv": "id"}, {"csv": ""}, {"rows": [{}]},
     {"rows": [{"serial_number": {"a": 1}, "x": 1}]}],
)  # fmt: skip
def test_api_rejects_bad_bodies(body, organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["robots:write"])})
    answer = client.post(API, json.dumps(body), content_type="application/json")
    if body == {"rows": [{}]}:
        assert answer.status_code == 201  # a bad row
    else:
        assert answer.status_code == 400
        assert answer.json()["code"] in {"invalid", "invalid_file"}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json"])
def test_export_of_the_list_is_unchanged_when_imported(
    kind, make_robot, alice, client_for, organization_a, upload, counts, tenant
):
    make_robot(organization_a, name="=1+1", vendor="kuka", location={"cell": "7"})
    make_robot(organization_a, name="Other", vendor="abb", connection_config=None)
    client = client_for(alice)
    answer = client.get(f"/admin/robots/robot/export/{kind}/", {"vendor": "kuka"})
    assert answer["Content-Disposition"].endswith(f'.{kind}"')
    content = b"".join(answer.streaming_content)
    row = upload(content)
    assert counts(row) == (0, 0, 1, 0, 0)
    if kind == "csv":
        assert b",'=1+1," in content
    with tenant(organization_a):
        rows = AuditLog.objects.filter(resource_type="export").order_by("seq")
        assert [r.action for r in rows] == ["robots.robot.export", "robots.robot.export_end"]
        assert rows[0].request_data == {"format": kind, "filters": {"vendor": "kuka"}, "rows": 1}
        assert rows[1].response_data == {"rows": 1}


def test_export_shows_no_other_organization(make_robot, charlie, client_for, organization_a):
    make_robot(organization_a, name="Secret")
    answer = client_for(charlie).get("/admin/robots/robot/export/csv/")
    assert b"Secret" not in b"".join(answer.streaming_content)
    assert client_for(charlie).get("/admin/robots/robot/export/exe/").status_code == 404


def test_actor_of_import_is_not_the_worker(upload, start, organization_a, tenant, alice):
    row = upload(new("A"))
    start(row, "all_or_nothing")
    run(row)
    with tenant(organization_a, Actor()):
        ends = AuditLog.objects.filter(action="robots.import.end").values_list("user_id", flat=True)
        assert set(ends) == {alice.pk}
