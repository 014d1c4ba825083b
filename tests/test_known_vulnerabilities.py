"""Known vulnerabilities of platforms of this kind, each with the test that prevents it.

`COVERED_ELSEWHERE` names the tests of other modules; the remaining tests are here.
"""

from __future__ import annotations

import importlib
import json
import logging

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django_redis import get_redis_connection

from apps.organizations.models import Facility
from urfmp.common.tenancy.context import audit_action

COVERED_ELSEWHERE = {
    "a command answered as done that went nowhere": [
        "tests.robots.commands.test_api:test_create_returns_stored_command_and_executes_nothing",
        "tests.faults.test_command_crash:test_commands_are_executed_at_most_once",
    ],
    "the stored hash as the password; deactivated users": [
        "tests.accounts.test_sessions:test_stored_hash_is_not_a_password",
        "tests.accounts.test_sessions:test_user_deactivation_revokes_sessions",
        "tests.accounts.test_stored_secrets:test_stored_secrets_are_rejected_as_passwords_and_codes",
    ],
    "keys compared unhashed; revocation seen a minute late": [
        "tests.accounts.test_api_keys:test_key_is_returned_once_and_stored_as_hash",
        "tests.accounts.test_api_keys:test_stored_hash_is_rejected",
        "tests.accounts.test_api_keys:test_revoked_key_is_rejected_at_next_request",
    ],
    "a window renewed by every hit; a limit keyed by an unchecked header": [
        "tests.common.test_rate_limit:test_hit_steady_sender_below_limit_is_always_admitted",
        "tests.common.test_rate_limit:test_hit_rejected_does_not_extend_window",
        "tests.accounts.test_api_rate_limits:test_client_input_does_not_change_counter",
    ],
    "a stream of all data to any client": [
        "tests.live.test_event_stream:test_invalid_request_returns_problem_details",
        "tests.live.test_event_stream:test_other_organization_receives_no_events",
        "tests.live.test_event_stream:test_device_key_receives_only_its_robot",
    ],
    "joint, force and torque values accepted and dropped": [
        "tests.telemetry.test_ingest:test_ingest_stores_every_value_of_joints_and_forces",
        "tests.robots.commands.test_api:test_payload_is_handed_over_unchanged",
    ],
    "an emergency stop that switched the controller off": [
        "tests.robots.commands.test_stop_requests:test_stopped_robot_stays_connected",
        "tests.demo.test_commands:test_executor_obeys_stop_request",
    ],
}


@pytest.mark.parametrize("name", [name for names in COVERED_ELSEWHERE.values() for name in names])
def test_covering_test_exists(name):
    module, _, test = name.partition(":")
    assert callable(getattr(importlib.import_module(module), test))


PAGES = ["/admin/", "/admin/robots/robot/", "/api/v1/robots", "/api/v1/alerts", "/api/v1/users"]


def cache_keys():
    """Return every Redis key under which something is cached."""
    return {name.decode() for name in get_redis_connection("default").scan_iter("urfmp-test:*")}


def test_cache_keys_contain_the_organization(
    alice, charlie, client_for, organization_a, organization_b, make_robot
):
    """2. Cache keys without the organization, read before the tenant check."""
    mine, theirs = make_robot(organization_a, name="Mine-77"), make_robot(organization_b)
    ours, others = client_for(alice), client_for(charlie)
    paths = [*PAGES, f"/api/v1/robots/{mine.pk}", f"/admin/robots/robot/{mine.pk}/"]
    before = cache_keys()
    for path in paths:
        assert ours.get(path).status_code == 200, path
        answer = others.get(
            path
        )  # immediately after: a response cached for the first would be found
        assert "Mine-77" not in answer.content.decode(), path
        assert answer.status_code == (404 if str(mine.pk) in path else 200), path
        assert theirs.name not in ours.get(path).content.decode(), path
    # A session's key is the digest of its token, which belongs to one user; nothing else is shared.
    for name in cache_keys() - before:
        owners = (str(organization_a.id), str(organization_b.id), ":session:", ":limit:")
        assert any(part in name for part in owners), name


def test_no_raw_key_in_redis(organization_a, make_key):
    """4. The raw key in a Redis key."""
    key = make_key(organization_a, ["robots:read"])
    assert Client(headers={"x-api-key": key}).get("/api/v1/robots").status_code == 200
    redis = get_redis_connection("default")
    secret = key.rpartition("_")[2].encode()
    for name in redis.scan_iter("*"):
        assert secret not in name
        if redis.type(name) == b"string":
            assert secret not in (redis.get(name) or b"")


def test_deactivated_user_cannot_log_in(alice, make_user, organization_a, tenant):
    """3. `is_active` was never checked."""
    from apps.accounts.services.users import user_update
    from tests.conftest import PASSWORD

    person = make_user(organization_a, "viewer", "gone@acme.example")
    body = {"email": person.email, "password": PASSWORD}
    assert Client().post("/api/v1/auth/login", body, content_type="application/json").json()
    with tenant(organization_a):
        user_update(person, is_active=False)
    answer = Client().post("/api/v1/auth/login", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_refused")


def test_transaction_uses_one_connection(organization_a, tenant):
    """7. "Transactions" used a new connection per statement."""

    def backend():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), txid_current()")
            return cursor.fetchone()

    with tenant(organization_a):
        first = backend()
        Facility.objects.create(organization_id=organization_a.id, name="One")
        assert backend() == first

    def two_writes_and_an_error():
        with tenant(organization_a), audit_action("test.two.writes"):
            Facility.objects.create(organization_id=organization_a.id, name="Two")
            Facility.objects.create(organization_id=organization_a.id, name="Three")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        two_writes_and_an_error()
    with tenant(organization_a):
        assert set(Facility.objects.values_list("name", flat=True)) == {"One"}


CANARY = "canary-9f31c2-password"


@pytest.mark.parametrize("status", [400, 401, 500])
def test_errors_do_not_log_bodies(status, alice, client_for, caplog, monkeypatch):
    """8. Errors logged whole request bodies, including passwords and tokens."""
    from apps.organizations.api.facilities import FacilityViewSet

    def fail(self, request, *args, **kwargs):
        body = request.data
        raise RuntimeError(len(body))

    caplog.set_level(logging.DEBUG)
    client = client_for(alice, raise_request_exception=False)
    if status == 500:
        monkeypatch.setattr(FacilityViewSet, "create", fail)
        path, body = "facilities", {"name": CANARY, "token": CANARY}
    elif status == 401:
        path, body = "auth/login", {"email": "alice@acme.example", "password": CANARY}
    else:
        path, body = "users", {"password": CANARY, "colour": CANARY}
    answer = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
    assert answer.status_code == status
    assert CANARY not in answer.content.decode()
    assert CANARY not in caplog.text
    for record in caplog.records:
        assert CANARY not in str(record.args)
        assert CANARY not in str(record.exc_text or "")


def test_cache_is_the_real_redis():
    """The Redis assertions above refer to the Redis that is used."""
    cache.set("known-vulnerabilities", "x", timeout=5)
    assert any("known-vulnerabilities" in name for name in cache_keys())
    assert settings.CACHES["default"]["KEY_PREFIX"] == "urfmp-test"
