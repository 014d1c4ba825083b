from __future__ import annotations

import csv
import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.audit.selectors.canonical import (
    FORMULA_PREFIXES,
    canonical_dumps,
    canonical_loads,
    read_rows,
    verify_rows,
)
from apps.audit.services import export
from apps.audit.services.audit_logs import audit_clean_up, audit_record
from apps.audit.services.export import COLUMNS
from urfmp.common.export_slots import MAX_CONCURRENT_PER_ORGANIZATION
from urfmp.common.http.downloads import DownloadAbortedError
from urfmp.common.tenancy.context import Actor

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/audit-logs/export"
UNUSUAL_JSON = {
    "text": 'ü"\\\n\t\x01\x7f',
    "n": 1.50,
    "big": 10**30,
    "e": 1e-7,
    "bb": None,
    "a": [True, {}],
}


def body(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


@pytest.fixture
def organization_with_rows(organization_a, alice, tenant):
    actor = Actor(user_id=alice.pk, ip_address="2001:db8::1", user_agent='=cmd("x")')
    for number in range(20):
        with tenant(organization_a, actor):
            audit_record(
                action=f"test.act.{number}",
                resource_type="@thing",
                request_data=UNUSUAL_JSON,
                success=number % 2 == 0,
                error_message=FORMULA_PREFIXES[number % 9].replace("\0", "-") + "1+1",
            )
    return organization_a


@pytest.fixture(params=["csv", "jsonl"])
def kind(request):
    return request.param


def verify_file(tmp_path, text):
    file = tmp_path / "export"
    file.write_text(text, encoding="utf-8", newline="")
    call_command("audit_verify_export", str(file), stdout=(out := io.StringIO()))
    return out.getvalue()


def test_export_verifies_without_database(
    organization_with_rows, alice, client_for, kind, tmp_path
):
    text = body(client_for(alice).get(URL, {"format": kind}))
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    rows = list(read_rows(iter(lines)))
    assert [int(row["seq"]) for row in rows] == list(range(1, len(rows) + 1))
    assert set(rows[0]) == set(COLUMNS)
    printed = verify_file(tmp_path, text)
    assert f"{len(rows)} rows are intact" in printed
    assert "not in the file" not in printed
    assert rows[-1]["hash"] in printed
    named = [row for row in rows if row["action"] == "test.act.3"]
    assert [row["user_email"] for row in named] == ["alice@acme.example"]
    assert json.loads(canonical_dumps(named[0]["request_data"])) == UNUSUAL_JSON


def test_filtered_export_verifies(organization_with_rows, alice, client_for, kind, tmp_path):
    text = body(client_for(alice).get(URL, {"format": kind, "success": "false"}))
    rows = list(read_rows(iter(text.removeprefix("\ufeff").splitlines(keepends=True))))
    assert {row["success"] for row in rows} == {False}
    assert len(rows) == 10
    assert "9 numbers between them are not in the file." in verify_file(tmp_path, text)


def test_export_after_clean_up_verifies(
    organization_with_rows, alice, client_for, superuser, tmp_path
):
    superuser.execute(
        "INSERT INTO audit_logs (organization_id, action, success, created_at)"
        " VALUES (%s, 'test.old', true, now() - interval '2 years')",
        [organization_with_rows.id],
    )
    client = client_for(alice)
    assert audit_clean_up() == 1
    printed = verify_file(tmp_path, body(client.get(URL)))
    assert "1 numbers between them are not in the file." in printed


def test_export_of_large_row_verifies(organization_a, alice, tenant, client_for, kind, tmp_path):
    """A cell above 128 KiB exceeds the default limit of the csv module."""
    with tenant(organization_a):
        audit_record(action="test.large", request_data={"list": ["x" * 1_000] * 300})
    text = body(client_for(alice).get(URL, {"format": kind}))
    assert len(text) > 300_000
    assert "rows are intact" in verify_file(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("test.act.7", "test.act.x"),
        ("2001:db8::1", "2001:db8::2"),
        ('"big": 1000', '"big": 2000'),
        ("true", "false"),
    ],
)
def test_verify_export_detects_changed_file(
    organization_with_rows, alice, client_for, tmp_path, old, new
):
    text = body(client_for(alice).get(URL, {"format": "jsonl", "action_starts": "test."}))
    with pytest.raises(CommandError) as raised:
        verify_file(tmp_path, text.replace(old, new, 1))
    assert raised.value.returncode == 1
    assert re.match(r"row \d+: it was changed\.", str(raised.value))


def test_verify_export_detects_removed_and_moved_rows(
    organization_with_rows, alice, client_for, tmp_path
):
    lines = body(client_for(alice).get(URL, {"format": "jsonl"})).splitlines(keepends=True)
    assert "1 numbers" in verify_file(tmp_path, "".join(lines[:5] + lines[6:]))
    with pytest.raises(CommandError, match=r"it follows row \d+"):
        verify_file(tmp_path, "".join([*lines[:5], lines[6], lines[5]]))
    forged = json.loads(lines[5])
    forged["previous_hash"] = "00" * 32
    report = verify_rows([*map(canonical_loads, lines[:5]), canonical_loads(json.dumps(forged))])
    assert "does not follow" in report.error


def test_csv_cells_are_escaped_formulas(organization_with_rows, alice, client_for):
    text = body(client_for(alice).get(URL, {"format": "csv", "action_starts": "test."}))
    for row in csv.reader(io.StringIO(text)):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert "'=cmd(" in text


def test_export_writes_audit_rows_at_start_and_end(
    organization_with_rows, alice, client_for, tenant
):
    response = client_for(alice).get(URL, {"action_starts": "test.", "success": "true"})
    with tenant(organization_with_rows):
        started = AuditLog.objects.get(action="audit.record.export")
        assert not AuditLog.objects.filter(action="audit.record.export_end").exists()
    assert started.user_id == alice.pk
    assert started.request_data["filters"] == {"action_starts": "test.", "success": "true"}
    assert (started.request_data["rows"], started.request_data["format"]) == (10, "csv")
    text = body(response)
    assert len(list(csv.reader(io.StringIO(text)))) == 11
    with tenant(organization_with_rows):
        end = AuditLog.objects.get(action="audit.record.export_end")
    assert (end.success, end.response_data) == (True, {"rows": 10})
    assert end.resource_id == started.resource_id


def test_aborted_export_writes_failed_audit_row(organization_with_rows, alice, client_for, tenant):
    response = client_for(alice).get(URL)
    next(iter(response.streaming_content))
    response.close()
    with tenant(organization_with_rows):
        end = AuditLog.objects.get(action="audit.record.export_end")
    assert (end.success, end.error_message) == (False, "The export was aborted.")


def test_export_excludes_later_rows(organization_with_rows, alice, client_for, tenant):
    response = client_for(alice).get(URL)
    with tenant(organization_with_rows):
        audit_record(action="test.later")
        recorded_rows = AuditLog.objects.get(action="audit.record.export").request_data["rows"]
    text = body(response)
    assert "test.later" not in text
    assert len(list(csv.reader(io.StringIO(text)))) == recorded_rows + 1


def test_export_requires_permission(
    organization_with_rows, make_user, make_key, client_for, charlie
):
    assert client_for(make_user(organization_with_rows, "manager")).get(URL).status_code == 403
    assert Client().get(URL).status_code == 401
    key = Client(headers={"x-api-key": make_key(organization_with_rows, ["audit:read"])})
    assert "test.act.3" in body(key.get(URL))
    assert "test.act.3" not in body(client_for(charlie).get(URL))


@pytest.mark.parametrize(
    "query", [{"format": "xlsx"}, {"page_size": "5"}, {"nothing": "1"}, {"user": "x"}]
)
def test_export_with_invalid_parameters_returns_400(
    organization_with_rows, alice, client_for, query
):
    assert client_for(alice).get(URL, query).status_code == 400


def test_admin_export_applies_filters(
    organization_with_rows, alice, client_for, make_user, tenant, tmp_path
):
    client = client_for(alice)
    page = client.get("/admin/audit/auditlog/?outcome=denied")
    url = "/admin/audit/auditlog/export/jsonl/?outcome=denied"
    assert url in page.content.decode()
    text = body(client.get(url))
    assert text.count("\n") == 10
    assert "10 rows are intact" in verify_file(tmp_path, text)
    with tenant(organization_with_rows):
        started = AuditLog.objects.get(action="audit.record.export")
    assert started.request_data["filters"] == {"outcome": "denied"}
    assert client.get("/admin/audit/auditlog/export/xlsx/").status_code == 404
    assert client.get(url + "&object=x").status_code == 302
    manager = client_for(make_user(organization_with_rows, "manager"))
    assert manager.get(url).status_code == 403
    assert "/export/" not in manager.get("/admin/audit/auditlog/").content.decode()


def test_admin_csv_is_for_spreadsheets(organization_with_rows, alice, client_for, tmp_path):
    """It begins with a byte order mark, which an API client can decline."""
    client = client_for(alice)
    text = body(client.get("/admin/audit/auditlog/export/csv/?outcome=denied"))
    assert text.startswith("\ufeffseq,")
    assert "10 rows are intact" in verify_file(tmp_path, text)
    assert body(client.get(URL)).startswith("\ufeffseq,")
    assert body(client.get(URL, {"byte_order_mark": "false"})).startswith("seq,")
    assert client.get(URL, {"byte_order_mark": "x"}).status_code == 400


def test_export_without_free_slot_returns_429(organization_with_rows, alice, client_for, superuser):
    client = client_for(alice)
    with superuser.transaction():
        superuser.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, n)) FROM generate_series(1, %s) n",
            [f"audit.export:{organization_with_rows.id}", MAX_CONCURRENT_PER_ORGANIZATION],
        )
        response = client.get(URL)
        assert (response.status_code, response["Retry-After"]) == (429, "30")
        assert response.json()["code"] == "too_many_exports"
        page = client.get("/admin/audit/auditlog/export/csv/?outcome=done", follow=True)
        assert "Too many exports are running" in page.content.decode()
    assert body(client.get(URL))


def test_export_whose_database_dies_is_aborted(
    organization_with_rows, alice, client_for, kind, tenant, caplog, monkeypatch
):
    monkeypatch.setattr(export, "_BATCH_ROWS", 2)
    response = client_for(alice).get(URL, {"format": kind})
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        own = cursor.fetchone()
    parameters = connections["default"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted) as other:
        other.execute("SELECT pg_terminate_backend(%s)", own)
    with pytest.raises(DownloadAbortedError):
        body(response)
    (record,) = (r for r in caplog.records if r.levelname == "WARNING")
    assert "was aborted after" in record.getMessage()
    assert "\n" not in record.getMessage()
    with tenant(organization_with_rows):
        end = AuditLog.objects.get(action="audit.record.export_end")
    assert (end.success, end.error_message) == (False, "The export was aborted.")


def test_export_in_parallel_gets_200_or_429(organization_with_rows, make_key):
    key = make_key(organization_with_rows, ["audit:read"])
    barrier = threading.Barrier(6)

    def export_once(_):
        client = Client(headers={"x-api-key": key}, raise_request_exception=False)
        found = []
        try:
            for _ in range(4):
                with suppress(threading.BrokenBarrierError):
                    barrier.wait(30)
                response = client.get(URL, {"format": "jsonl"})
                found.append(response.status_code)
                if response.status_code == 200:
                    assert body(response).count("\n") >= 20
        finally:
            connections.close_all()
        return found

    with ThreadPoolExecutor(6) as pool:
        statuses = [status for found in pool.map(export_once, range(6)) for status in found]
    assert set(statuses) <= {200, 429}
    assert len(statuses) == 24
    assert statuses.count(200) >= 8


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(_json, min_size=1, max_size=10))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_canonical_json_matches_postgresql(values):
    with connections["default"].cursor() as cursor:
        for value in values:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(value)])
            (text,) = cursor.fetchone()
            assert canonical_dumps(canonical_loads(text)) == text
