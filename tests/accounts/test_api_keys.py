"""API keys: format, authentication, scopes and creation."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.auth.principals import ApiKeyPrincipal
from apps.accounts.exceptions import GrantExceedsOwnError, UnknownScopeError
from apps.accounts.models import ApiKey
from apps.accounts.permissions.grants import check_can_grant_scopes
from apps.accounts.permissions.roles import PERMISSIONS, SCOPES
from apps.accounts.selectors.credentials import key_credential
from apps.accounts.selectors.key_format import generate_key, is_well_formed_key
from apps.accounts.services.api_keys import api_key_create, api_key_revoke
from apps.robots.services.robots import robot_retire, robot_return_to_service
from urfmp.common.security.bearer_secrets import hash_token


def get(key, path="/api/v1/robots"):
    return Client().get(path, headers={"authorization": f"Bearer {key}"})


def only_key(organization, tenant):
    with tenant(organization):
        return ApiKey.objects.get()


@pytest.fixture
def key(organization_a, make_key):
    return make_key(organization_a, ["robots:read"])


def test_key_with_wrong_checksum_is_rejected_without_query(db, django_assert_num_queries):
    key = generate_key()
    assert is_well_formed_key(key)
    with django_assert_num_queries(0):
        for i in range(len(key)):
            other = key[:i] + ("A" if key[i] != "A" else "B") + key[i + 1 :]
            assert key_credential(other) is None
        assert key_credential(key[:-1]) is None
        assert key_credential(key + "0") is None


@given(st.text())
def test_arbitrary_text_is_not_well_formed_key(text):
    assert not is_well_formed_key(text)


def test_generated_keys_are_unique():
    assert len({generate_key() for _ in range(200)}) == 200


def test_key_is_accepted_in_both_headers(key):
    assert get(key).status_code == 200
    assert Client().get("/api/v1/robots", headers={"x-api-key": key}).status_code == 200


def test_key_is_returned_once_and_stored_as_hash(alice, client_for, organization_a, tenant):
    client = client_for(alice)
    body = {"name": "one", "permissions": ["robots:read"]}
    answer = client.post("/api/v1/api-keys", body, content_type="application/json")
    created = answer.json()
    key = created["key"]
    assert get(key).status_code == 200
    assert client.get(f"/api/v1/api-keys/{created['id']}").json()["key"] is None
    assert key not in client.get("/api/v1/api-keys").content.decode()
    with tenant(organization_a), connection.cursor() as cursor:
        for table in ("api_keys", "audit_logs"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            found = cursor.fetchone()[0]
            assert key not in found
            assert (hash_token(key) in found) is (table == "api_keys")


def test_stored_hash_is_rejected(key):
    assert get(hash_token(key)).status_code == 401


def test_revoked_key_is_rejected_at_next_request(key, organization_a, tenant):
    assert get(key).status_code == 200
    row = only_key(organization_a, tenant)
    with tenant(organization_a):
        api_key_revoke(row)
    assert get(key).status_code == 401


def test_expired_key_is_rejected(organization_a, make_key, tenant):
    now = timezone.now()
    expired = make_key(organization_a, ["robots:read"], expires_at=now + timedelta(minutes=1))
    with tenant(organization_a):
        ApiKey.objects.update(expires_at=now - timedelta(minutes=5))
    valid = make_key(organization_a, ["robots:read"], expires_at=now + timedelta(minutes=1))
    assert get(expired).status_code == 401
    assert get(valid).status_code == 200


def test_key_of_retired_robot_is_rejected_until_return(
    organization_a, make_robot, make_key, tenant
):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=robot)
    with tenant(organization_a):
        robot_retire(robot)
    assert get(key).status_code == 401
    with tenant(organization_a):
        robot_return_to_service(robot)
    assert get(key).status_code == 200


def test_key_of_inactive_organization_is_rejected(key, organization_a, tenant):
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE organizations SET is_active = false")
    assert get(key).status_code == 401


def test_device_key_reads_only_its_robot(organization_a, make_robot, make_key):
    own, other = make_robot(organization_a), make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=own)
    assert [row["id"] for row in get(key).json()["results"]] == [str(own.pk)]
    assert get(key, f"/api/v1/robots/{other.pk}").status_code == 404


def test_key_without_scopes_gets_403(organization_a, make_key):
    assert get(make_key(organization_a, [])).status_code == 403


@pytest.mark.parametrize("text", ["", "nonsense", "urfmp_live_é", "a" * 5000])
def test_invalid_key_with_valid_session_gets_401(text, alice, client_for):
    """The key takes precedence over the session; pages treat the request as anonymous."""
    client = client_for(alice)
    headers = {"x-api-key": text.encode().decode("latin-1")}
    assert client.get("/api/v1/robots", headers=headers).status_code == 401
    assert client.get("/admin/", headers=headers).status_code in {302, 200}
    assert client.get("/api/v1/robots").status_code == 200


def test_api_key_create_unknown_scope_is_rejected(organization_a, tenant, alice):
    with tenant(organization_a), pytest.raises(UnknownScopeError, match="robots:fly"):
        api_key_create(
            organization_id=organization_a.id, user=alice, name="x", permissions=["robots:fly"]
        )


def test_scopes_contain_known_permissions():
    covered = {"command.view", "command.create"}
    covered |= {f"webhook.{verb}" for verb in ("view", "create", "update", "delete")}
    for scope, permissions in SCOPES.items():
        assert permissions <= PERMISSIONS | covered, scope
        resource, _, verb = scope.partition(":")
        assert verb in {"read", "write", "command"}
        assert resource


# Django's permissions that each scope grants; it grants none of the others.
GRANTED = {
    "robots:read": {
        "robots.view_robot", "robots.view_robotstatushistory",
    },
    "robots:write": {"robots.add_robot", "robots.change_robot", "robots.delete_robot"},
    "robots:command": {"robots.control_robot", "robots.add_robotcommand"},
    "telemetry:read": {"telemetry.view_robottelemetry", "telemetry.export_robottelemetry"},
    "telemetry:write": {"telemetry.write_robottelemetry"},
    "commands:read": {"robots.view_robotcommand"},
    "commands:write": {"robots.add_robotcommand"},
    "maintenance:read": {"maintenance.view_maintenancetask"},
    "alerts:read": {"alerts.view_alert"},
    "users:read": {"accounts.view_user", "accounts.view_usersession"},
    "audit:read": {"audit.view_auditlog", "audit.export_auditlog"},
    "api_keys:read": {"accounts.view_apikey"},
}  # fmt: skip
CHECKED = set().union(*GRANTED.values()) | {"accounts.add_user", "alerts.acknowledge_alert"}


@pytest.mark.parametrize("scope", GRANTED)
def test_scope_grants_expected_permissions(scope):
    principal = ApiKeyPrincipal(
        SimpleNamespace(
            id=None, organization_id=None, robot_id=None, scopes=(scope,), allowed_networks=()
        )
    )
    assert {perm for perm in CHECKED if principal.has_perm(perm)} == GRANTED[scope]


def user_with(role="custom", permissions=()):
    return SimpleNamespace(role=role, permissions=list(permissions))


def test_check_can_grant_scopes_beyond_own_is_rejected():
    check_can_grant_scopes(user_with("admin"), SCOPES)
    check_can_grant_scopes(user_with(permissions=["robot.view"]), ["robots:read", "commands:read"])
    check_can_grant_scopes(user_with("operator"), ["robots:command", "commands:write"])
    for scope in ("commands:write", "commands:read", "robots:command", "users:write"):
        with pytest.raises(GrantExceedsOwnError):
            check_can_grant_scopes(user_with(permissions=["api_key.create"]), [scope])


def test_create_with_scopes_beyond_own_gets_403(make_user, client_for, organization_a):
    user = make_user(organization_a, "custom", permissions=["api_key.create", "api_key.view"])
    body = {"name": "one", "permissions": ["commands:write"]}
    answer = client_for(user).post("/api/v1/api-keys", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "grant_exceeds_own")


def test_api_key_cannot_create_api_keys(organization_a, make_key):
    key = make_key(organization_a, ["api_keys:read", "api_keys:write"])
    answer = Client().post(
        "/api/v1/api-keys",
        {"name": "one", "permissions": []},
        content_type="application/json",
        headers={"x-api-key": key},
    )
    assert answer.status_code == 403


def test_device_key_with_other_scopes_is_rejected(organization_a, make_key, make_robot):
    robot = make_robot(organization_a)
    for scope in ("users:write", "robots:write", "api_keys:read", "organization:write"):
        with pytest.raises(ValidationError):
            make_key(organization_a, [scope], robot=robot)


def test_device_key_alert_belongs_to_its_robot(organization_a, make_key, make_robot):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["alerts:write", "alerts:read"], robot=robot)
    body = {"type": "system", "severity": "info", "title": "t", "message": "m"}
    answer = Client(headers={"x-api-key": key}).post(
        "/api/v1/alerts", body, content_type="application/json"
    )
    assert answer.status_code == 201
    assert answer.json()["robot"] == str(robot.pk)


@pytest.mark.parametrize("limit", [0, -1])
def test_rate_limit_not_positive_is_rejected(organization_a, make_key, limit):
    with pytest.raises(ValidationError):
        make_key(organization_a, rate_limit=limit)


@pytest.mark.parametrize("field", ["permissions", "robot"])
def test_scopes_and_robot_cannot_change(
    organization_a, make_key, make_robot, tenant, alice, client_for, field
):
    make_key(organization_a)
    row = only_key(organization_a, tenant)
    value = [] if field == "permissions" else str(make_robot(organization_a).pk)
    answer = client_for(alice).patch(
        f"/api/v1/api-keys/{row.pk}", {field: value}, content_type="application/json"
    )
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
