"""If the record cannot be written, the act does not happen."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

# Nothing of these is an act: the record itself, counters, and the denial that is answered anyway.
UNCOUNTED = {"audit_logs", "audit_heads", "audit_gaps", "rate_limit_counters", "django_migrations"}
# Moved by every request, without a record.
MOVED = ["last_activity_at", "last_used_at"]
FAILING = """
    CREATE FUNCTION record_fails() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no room for the record'; END $$;
    CREATE TRIGGER record_fails_trigger BEFORE {} ON audit_logs
        FOR EACH ROW EXECUTE FUNCTION record_fails();
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
            "DROP TRIGGER record_fails_trigger ON audit_logs; DROP FUNCTION record_fails()"
        )


def everything(owner):
    """Return the content of every table, as far as it is somebody's act."""
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
    ("robot-detail", "delete", None),
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
]


@pytest.fixture
def ids(organization_a, make_everything):
    return make_everything(organization_a, "plain")


def address(route, ids):
    resource = route.rpartition("-")[0]
    return reverse(f"api:{route}", kwargs={"pk": ids[resource]} if "list" not in route else {})


@pytest.mark.parametrize("when", ["INSERT", "UPDATE"], ids=["at once", "at the commit"])
def test_no_act_of_the_api_without_its_record(when, owner, ids, alice, sign_in):
    for route, method, body in API:
        client = sign_in(alice)
        client.raise_request_exception = False

        def ask(client=client, route=route, method=method, body=body):
            return getattr(client, method)(
                address(route, ids), body, content_type="application/json",
                headers={"idempotency-key": f"{route}-{method}"},
            )  # fmt: skip

        before = everything(owner)
        with failing(owner, when):
            answer = ask()
        assert (answer.status_code, answer.get("Retry-After")) == (503, "2"), (
            route,
            answer.content,
        )
        assert answer.json()["code"] == "unavailable"
        assert everything(owner) == before, route
        if when == "INSERT":  # and with the record it is done, under the same key
            answer = ask()
            assert answer.status_code in {200, 201, 204}, (route, method, answer.content)
            assert everything(owner) != before, route


def test_no_act_of_the_admin_without_its_record(owner, ids, alice, sign_in):
    client = sign_in(alice)
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
        before = everything(owner)
        with failing(owner, "INSERT"):
            answer = client.post(path, body)
        assert (answer.status_code, answer.get("Retry-After")) == (503, "2"), path
        assert everything(owner) == before, path
        assert client.post(path, body).status_code in {200, 302}, path


def test_nobody_signs_in_or_out_without_it(owner, alice, sign_in, client):
    client.raise_request_exception = False
    signed_in = sign_in(alice)
    signed_in.raise_request_exception = False
    body = {"email": alice.email, "password": PASSWORD}
    before = everything(owner)
    with failing(owner, "INSERT"):
        answers = [
            client.post("/admin/login/", body),
            client.post("/api/v1/auth/login", body, content_type="application/json"),
            signed_in.post("/admin/logout/"),
            signed_in.get("/api/v1/audit-logs/export"),
        ]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert everything(owner) == before
    assert signed_in.get("/api/v1/robots").status_code == 200


def test_what_needs_no_record_goes_on(owner, ids, alice, bob, sign_in, organization_a, make_key):
    device = make_key(organization_a, ["telemetry:write"])
    reader, viewer = sign_in(alice), sign_in(bob)
    point = {"robot_id": str(ids["robot"]), "metric_name": "a", "time": timezone.now().isoformat()}
    with failing(owner, "INSERT"):
        assert reader.get("/api/v1/robots").status_code == 200
        assert viewer.get("/api/v1/api-keys").status_code == 403  # refused all the same
        answer = reader.post(
            "/api/v1/telemetry", {"points": [{**point, "value": 1}]},
            content_type="application/json", headers={"x-api-key": device},
        )  # fmt: skip
        assert answer.status_code == 200


def test_other_faults_are_no_failing_record(owner, alice, sign_in, monkeypatch):
    from django.db import connection

    from apps.robots.api.robots import RobotViewSet

    def fail(self, request, *args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(RobotViewSet, "list", fail)
    client = sign_in(alice)
    client.raise_request_exception = False
    assert client.get("/api/v1/robots").status_code == 500
