"""Requests that come twice, and changes over other people's changes."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from rest_framework.response import Response

from apps.accounts.models import ApiKey, IdempotencyRecord
from apps.accounts.services.idempotency import expired_idempotency_keys_delete
from apps.alerts.api.alerts import AlertViewSet
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.robots.models import Robot
from tests.support.concurrency import run_concurrently
from tests.support.platform import enter
from urfmp.common.api.etags import matches

BODIES = {
    "robots": {"name": "R1", "vendor": "kuka", "serial_number": "K1", "configuration": {"axes": 6}},
    "maintenance-tasks": {"title": "Grease", "type": "lubrication"},
    "alerts": {"title": "Hot", "message": "Very", "type": "system", "severity": "info"},
}  # fmt: skip
MODELS = {"robots": Robot, "maintenance-tasks": MaintenanceTask, "alerts": Alert}


def send(client, resource, key, **changes):
    return client.post(
        f"/api/v1/{resource}",
        {**BODIES[resource], **changes},
        content_type="application/json",
        headers={"idempotency-key": key},
    )


def count(resource, organization, tenant):
    with tenant(organization):
        return MODELS[resource].objects.count()


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


@pytest.fixture
def robot(make_robot, organization_a):
    return make_robot(organization_a)


def patch(client, robot, name, if_match=None):
    headers = {} if if_match is None else {"if-match": if_match}
    return client.patch(
        f"/api/v1/robots/{robot.pk}",
        {"name": name},
        content_type="application/json",
        headers=headers,
    )


@pytest.mark.parametrize("resource", BODIES)
def test_repeated_request_returns_first_response(resource, client, organization_a, tenant):
    first, again = send(client, resource, "k-1"), send(client, resource, "k-1")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert first.get("ETag") == again.get("ETag")
    assert count(resource, organization_a, tenant) == 1


@pytest.mark.parametrize("resource", BODIES)
def test_request_without_or_with_other_key_is_processed_again(
    resource, client, organization_a, tenant
):
    send(client, resource, "k-1")
    changes = {"robots": {"serial_number": "K-2"}, "alerts": {"title": "Cold"}}.get(resource, {})
    assert send(client, resource, "k-2", **changes).status_code == 201
    assert count(resource, organization_a, tenant) == 2


def test_other_body_with_same_key_gets_422(client, organization_a, tenant):
    send(client, "alerts", "k-1")
    answer = send(client, "alerts", "k-1", title="Cold")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    answer = send(client, "maintenance-tasks", "k-1")
    assert answer.status_code == 422
    assert count("alerts", organization_a, tenant) == 1


def test_other_row_with_same_key_gets_422(client, organization_a, tenant):
    ids = [send(client, "alerts", key, title=key).json()["id"] for key in ("k-1", "k-2")]
    answers = [
        client.post(
            f"/api/v1/alerts/{row}/acknowledge",
            {},
            "application/json",
            headers={"idempotency-key": "k-3"},
        )
        for row in ids
    ]
    assert [answer.status_code for answer in answers] == [200, 422]
    with tenant(organization_a):
        assert [Alert.objects.get(pk=row).is_acknowledged for row in ids] == [True, False]


def test_super_admins_keys_are_separate_per_organization(
    root, client_for, organization_a, organization_b, tenant
):
    client = client_for(root)
    for organization in (organization_a, organization_b):
        answer = send(enter(client, organization), "alerts", "k-1")
        assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
        assert count("alerts", organization, tenant) == 1
    assert send(client, "alerts", "k-1")["Idempotency-Replayed"] == "true"


def test_order_of_members_is_irrelevant(client):
    body = dict(reversed(BODIES["alerts"].items()))
    send(client, "alerts", "k-1")
    answer = client.post(
        "/api/v1/alerts",
        body,
        content_type="application/json",
        headers={"idempotency-key": "k-1"},
    )
    assert answer["Idempotency-Replayed"] == "true"


def test_rejected_request_may_be_corrected(client, organization_a, tenant):
    assert send(client, "alerts", "k-1", severity="loud").status_code == 400
    answer = send(client, "alerts", "k-1")
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer


def test_returned_error_is_not_stored(client, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(AlertViewSet, "create", lambda *_, **__: Response(status=409))
        assert send(client, "alerts", "k-1").status_code == 409
    assert send(client, "alerts", "k-1").status_code == 201


def test_keys_are_separate_per_principal(
    client, organization_a, organization_b, charlie, client_for, make_key, tenant
):
    others = [
        client_for(charlie),
        Client(headers={"x-api-key": make_key(organization_a, ["maintenance:write"])}),
    ]
    answers = [send(one, "maintenance-tasks", "k-1") for one in (client, *others)]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert count("maintenance-tasks", organization_b, tenant) == 1


def test_lost_permission_gets_403_instead_of_stored_response(
    organization_a, make_user, client_for, tenant
):
    user = make_user(organization_a, "operator")
    client = client_for(user)
    assert send(client, "alerts", "k-1").status_code == 201
    with tenant(organization_a):
        type(user).objects.filter(pk=user.pk).update(role="viewer")
    assert send(client, "alerts", "k-1").status_code == 403


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\u00e4"])
def test_invalid_idempotency_key_gets_400(key, client):
    answer = send(client, "alerts", key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["errors"]


def test_response_is_stored_for_a_day(client, organization_a, tenant):
    first = send(client, "maintenance-tasks", "k-1").json()["id"]
    with tenant(organization_a):
        IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=23.9))
        assert expired_idempotency_keys_delete() == 0
    assert send(client, "maintenance-tasks", "k-1").json()["id"] == first
    with tenant(organization_a):
        IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24.1))
    assert send(client, "maintenance-tasks", "k-1").json()["id"] != first
    with tenant(organization_a):
        IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24.1))
        assert expired_idempotency_keys_delete() == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_requests_have_one_effect(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:write"])

    def call():
        return send(Client(headers={"x-api-key": key}), "robots", "k-1", serial_number="")

    answers = run_concurrently(*[call] * 50)

    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert len(made) == 1
    assert codes <= {"idempotency_in_progress"}
    assert {a["Retry-After"] for a in answers if a.status_code == 409} <= {"1"}
    assert count("robots", organization_a, tenant) == 1
    assert call().json()["id"] in made


def test_request_in_progress_gets_409_with_retry_after(organization_a, make_key, tenant):
    client = Client(headers={"x-api-key": make_key(organization_a, ["robots:write"])})
    with tenant(organization_a):
        name = f"idempotency:{ApiKey.objects.get().pk}:k-1"
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted) as another:
        another.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        answer = send(client, "robots", "k-1")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert answer["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"3"', True), ("*", True), ('"2", "3"', True), ('"2"', False), ('W/"3"', False),
        ('"3-gzip"', True), ('"3-zstd"', True), ('"2", "3-gzip"', True), ('"2-gzip"', False),
        ('"3-br"', False), ('"3-gzip', False), ("3", False), ("", False), ('"3', False),
        ('*, "2"', False),
    ],
)  # fmt: skip
def test_matches_if_match_header(header, expected):
    assert matches(header, 3) is expected


def test_etag_is_the_version(client, robot):
    path = f"/api/v1/robots/{robot.pk}"
    assert client.get(path)["ETag"] == client.get(f"{path}?fields=name")["ETag"] == '"1"'
    assert patch(client, robot, "New")["ETag"] == '"2"'
    assert client.get(path)["ETag"] == '"2"'
    assert "ETag" not in client.get("/api/v1/robots")


def test_stale_if_match_gets_412_without_change(client, robot, organization_a, tenant):
    assert patch(client, robot, "First", '"1"').status_code == 200
    answer = patch(client, robot, "Second", '"1"')
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert answer.json()["version"] == 2
    assert client.delete(
        f"/api/v1/robots/{robot.pk}", headers={"if-match": '"1"'}
    ).status_code == 412  # fmt: skip
    with tenant(organization_a):
        robot.refresh_from_db()
    assert (robot.name, robot.is_active, robot.version) == ("First", True, 2)
    assert patch(client, robot, "Third", "*").status_code == 200
    assert client.delete(
        f"/api/v1/robots/{robot.pk}", headers={"if-match": '"3"'}
    ).status_code == 204  # fmt: skip


def test_other_organization_gets_404(charlie, client_for, robot):
    assert patch(client_for(charlie), robot, "Mine", '"9"').status_code == 404


@pytest.mark.django_db(transaction=True)
def test_parallel_changes_of_one_version_apply_once(client, alice, client_for, robot):
    clients = [client_for(alice) for _ in range(8)]
    answers = run_concurrently(
        *[
            lambda one=one, name=f"N{i}": patch(one, robot, name, '"1"')
            for i, one in enumerate(clients)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    assert client.get(f"/api/v1/robots/{robot.pk}")["ETag"] == '"2"'


def test_headers_are_documented(client, django_db_setup):
    document = client.get("/api/v1/schema", headers={"accept": "application/json"}).json()
    for resource in BODIES:
        names = {p["name"] for p in document["paths"][f"/api/v1/{resource}"]["post"]["parameters"]}
        assert "Idempotency-Key" in names
    one = document["paths"]["/api/v1/robots/{id}"]
    for method in ("patch", "delete"):
        assert "If-Match" in {p["name"] for p in one[method]["parameters"]}
    assert "ETag" in one["get"]["responses"]["200"]["headers"]
