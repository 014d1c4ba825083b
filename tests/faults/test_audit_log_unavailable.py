"""If the audit log cannot be written, the action is not carried out."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

# Not part of an action: the audit log itself, counters, and the audited denial.
UNCOUNTED = {
    "audit_logs",
    "audit_heads",
    "audit_gaps",
    "audit_spool",
    "audit_checkpoint_seals",
    "rate_limit_counters",
    "django_migrations",
}
# Updated by every request, without an audit row.
MOVED = ["last_activity_at", "last_used_at"]
FAILING = """
    CREATE FUNCTION audit_log_fails() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no space for the audit log'; END $$;
    CREATE TRIGGER audit_log_fails_trigger BEFORE {} ON audit_logs
        FOR EACH ROW EXECUTE FUNCTION audit_log_fails();
"""


@pytest.fixture
def owner():
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted, autocommit=True) as link:
        yield link


@contextmanager
def failing(owner, when):
    owner.execute(FAILING.format(when))
    try:
        yield
    finally:
        owner.execute(
            "DROP TRIGGER audit_log_fails_trigger ON audit_logs; DROP FUNCTION audit_log_fails()"
        )


def table_contents(owner):
    """Return the content of every table that actions change."""
    tables = owner.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    ).fetchall()
    content = "SELECT (to_jsonb(t) - %s::text[])::text FROM {} t"
    return {
        table: sorted(text for (text,) in owner.execute(content.format(table), [MOVED]))
        for (table,) in tables
        if table not in UNCOUNTED
    }


# Route, method, and a body with which it succeeds.
API = [
    ("facility-list", "post", {"name": "Hall 9"}),
    ("facility-detail", "patch", {"name": "Hall 8"}),
    ("robot-list", "post", {"name": "R", "vendor": "abb", "serial_number": "S-9"}),
    ("robot-detail", "patch", {"name": "R 2"}),
    ("user-list", "post", {"email": "new@x.example", "role": "viewer"}),
    ("user-detail", "patch", {"first_name": "N"}),
    ("api-key-list", "post", {"name": "k", "permissions": ["robots:read"]}),
    ("api-key-detail", "delete", None),
    ("organization-detail", "patch", {"description": "d"}),
    ("maintenance-task-list", "post", {"title": "t", "type": "cleaning"}),
    ("maintenance-task-detail", "patch", {"title": "t 2"}),
    ("maintenance-task-start", "post", {}),
    ("maintenance-task-cancel", "post", {"reason": "r"}),
    ("alert-list", "post", {"title": "a", "message": "m", "type": "system", "severity": "info"}),
    ("alert-acknowledge", "post", {}),
    ("alert-resolve", "post", {}),
    ("session-detail", "delete", None),
    ("robot-detail", "delete", None),  # last: cancels the robot's tasks and resolves its alerts
]


@pytest.fixture
def ids(organization_a, make_everything):
    return make_everything(organization_a, "plain")


def address(route, ids):
    resource = route.rpartition("-")[0]
    return reverse(f"api:{route}", kwargs={"pk": ids[resource]} if "list" not in route else {})


@pytest.mark.parametrize("when", ["INSERT", "UPDATE"], ids=["immediately", "at commit"])
def test_api_action_without_audit_log_is_not_done(when, owner, ids, alice, client_for):
    for route, method, body in API:
        client = client_for(alice)
        client.raise_request_exception = False

        def send(client=client, route=route, method=method, body=body):
            return getattr(client, method)(
                address(route, ids), body, content_type="application/json",
                headers={"idempotency-key": f"{route}-{method}"},
            )  # fmt: skip

        before = table_contents(owner)
        with failing(owner, when):
            answer = send()
        assert (answer.status_code, answer.get("Retry-After")) == (503, "2"), (
            route,
            answer.content,
        )
        assert answer.json()["code"] == "unavailable"
        assert table_contents(owner) == before, route
        if when == "INSERT":  # with the audit log it succeeds under the same key
            answer = send()
            assert answer.status_code in {200, 201, 204}, (route, method, answer.content)
            assert table_contents(owner) != before, route


def test_admin_action_without_audit_log_is_not_done(owner, ids, alice, client_for):
    client = client_for(alice)
    client.raise_request_exception = False
    pages = [
        ("/admin/organizations/facility/add/", {"name": "Hall 7"}),
        (f"/admin/accounts/user/{ids['user']}/change/",
         {"email": "x@x.example", "first_name": "X", "role": "viewer", "is_active": "on"}),
        (f"/admin/accounts/apikey/{ids['api-key']}/act/revoke/", {}),
        ("/admin/alerts/alert/",
         {"action": "acknowledge", "_selected_action": [str(ids["alert"])], "index": "0"}),
    ]  # fmt: skip
    for path, body in pages:
        before = table_contents(owner)
        with failing(owner, "INSERT"):
            answer = client.post(path, body)
        assert (answer.status_code, answer.get("Retry-After")) == (503, "2"), path
        assert table_contents(owner) == before, path
        assert client.post(path, body).status_code in {200, 302}, path


def test_login_and_logout_without_audit_log_get_503(owner, alice, client_for, client):
    client.raise_request_exception = False
    signed_in = client_for(alice)
    signed_in.raise_request_exception = False
    body = {"email": alice.email, "password": PASSWORD}
    before = table_contents(owner)
    with failing(owner, "INSERT"):
        answers = [
            client.post("/admin/login/", body),
            client.post("/api/v1/auth/login", body, content_type="application/json"),
            signed_in.post("/admin/logout/"),
            signed_in.get("/api/v1/audit-logs/export"),
        ]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert table_contents(owner) == before
    assert signed_in.get("/api/v1/robots").status_code == 200


def test_reads_and_telemetry_without_audit_log_still_work(
    owner, ids, alice, bob, client_for, organization_a, make_key
):
    device = make_key(organization_a, ["telemetry:write"])
    reader, viewer = client_for(alice), client_for(bob)
    point = {"robot_id": str(ids["robot"]), "metric_name": "a", "time": timezone.now().isoformat()}
    with failing(owner, "INSERT"):
        assert reader.get("/api/v1/robots").status_code == 200
        assert viewer.get("/api/v1/api-keys").status_code == 403  # still denied
        answer = reader.post(
            "/api/v1/telemetry", {"points": [{**point, "value": 1}]},
            content_type="application/json", headers={"x-api-key": device},
        )  # fmt: skip
        assert answer.status_code == 200


def test_other_database_error_gets_500(owner, alice, client_for, monkeypatch):
    from django.db import connection

    from apps.robots.api.robots import RobotViewSet

    def fail(self, request, *args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(RobotViewSet, "list", fail)
    client = client_for(alice)
    client.raise_request_exception = False
    assert client.get("/api/v1/robots").status_code == 500
