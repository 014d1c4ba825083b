from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.audit.models import AuditLog
from apps.audit.selectors.chain import audit_verify
from urfmp.common.tenancy.exceptions import TenantError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def denials(tenant):
    """Return a function that lists an organization's audited denials, oldest first."""

    def get(organization):
        with tenant(organization):
            rows = AuditLog.objects.filter(action__startswith="accounts.access.")
            return list(rows.order_by("seq"))

    return get


def keyed(key, **headers):
    return Client(headers={"x-api-key": key, **headers}, REMOTE_ADDR="192.0.2.9")


def test_user_without_permission_is_audited(organization_a, bob, client_for, denials, make_robot):
    robot = make_robot(organization_a)
    client = client_for(bob)
    answer = client.patch(
        f"/api/v1/robots/{robot.pk}?token=hush",
        {"name": "secret-name"},
        content_type="application/json",
        headers={"x-request-id": "the-request", "user-agent": "Probe/1"},
    )
    assert answer.status_code == 403
    (row,) = denials(organization_a)
    assert (row.action, row.success, row.error_message) == (
        "accounts.access.deny", False, "permission_denied",
    )  # fmt: skip
    assert (row.user_id, row.api_key_id, row.resource_id) == (bob.pk, None, robot.pk)
    assert (row.ip_address, row.user_agent, row.request_id) == (
        "127.0.0.1", "Probe/1", "the-request",
    )  # fmt: skip
    assert row.request_data["method"] == "PATCH"
    assert row.request_data["route"].startswith("api/v1/robots/")
    assert "hush" not in str(row.request_data)
    assert "secret-name" not in str(row.request_data)
    assert audit_verify() == []


def test_pages_and_admin_denials_are_audited(organization_a, bob, client_for, denials):
    client = client_for(bob)
    assert client.get("/admin/accounts/apikey/").status_code == 403
    assert client.get("/admin/audit/auditlog/").status_code == 403
    assert [row.request_data["route"] for row in denials(organization_a)] == [
        "admin/accounts/apikey/", "admin/audit/auditlog/",
    ]  # fmt: skip


def test_missing_csrf_token_is_audited(organization_a, alice, client_for, denials):
    client = client_for(alice, enforce_csrf_checks=True)
    assert client.post("/admin/own-sessions/").status_code == 403
    (row,) = denials(organization_a)
    assert row.user_id == alice.pk


def test_api_key_without_scope_is_audited(organization_a, make_key, denials):
    client = keyed(make_key(organization_a, ["robots:read"]))
    assert client.get("/api/v1/alerts").status_code == 403
    assert client.post("/api/v1/telemetry", {}, content_type="application/json").status_code == 403
    assert client.post("/api/v2/write", b"m f=1", content_type="text/plain").status_code == 403
    rows = denials(organization_a)
    assert [row.request_data["route"] for row in rows] == [
        "api/v1/alerts", "api/v1/telemetry", "api/v2/write",
    ]  # fmt: skip
    assert all(row.api_key_id and row.user_id is None for row in rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_active": False}, "key_revoked"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "key_expired"),
    ],
)
def test_inactive_api_key_is_audited(organization_a, make_key, tenant, denials, change, reason):
    key = make_key(organization_a, ["robots:read"])
    with tenant(organization_a):
        row = ApiKey.objects.get(name="test")
        ApiKey.objects.update(**change)
    assert keyed(key).get("/api/v1/robots").status_code == 401
    assert keyed(key).post("/api/v1/telemetry").status_code == 401
    first, second = denials(organization_a)
    assert (first.action, first.error_message) == ("accounts.access.refuse", reason)
    assert (first.api_key_id, first.ip_address) == (row.pk, "192.0.2.9")
    assert second.request_data["route"] == "api/v1/telemetry"
    assert key not in str([vars(item) for item in (first, second)])


def test_anonymous_denial_is_not_audited(organization_a, make_key, denials, owner_cursor):
    owner_cursor.execute("SELECT count(*) FROM audit_logs")
    before = owner_cursor.fetchone()
    for key in ("urfmp_live_nonsense", make_key(organization_a)[:-1] + "-"):
        assert keyed(key).get("/api/v1/robots").status_code == 401
    assert Client().get("/api/v1/robots").status_code == 401
    owner_cursor.execute("SELECT count(*) FROM audit_logs WHERE action LIKE 'accounts.access%'")
    assert owner_cursor.fetchone() == (0,)
    assert before is not None


def test_foreign_object_is_not_audited_for_its_owner(
    organization_a, organization_b, charlie, client_for, make_robot, denials
):
    robot = make_robot(organization_a)
    assert client_for(charlie).get(f"/api/v1/robots/{robot.pk}").status_code == 404
    assert denials(organization_a) == denials(organization_b) == []


def test_robot_key_naming_other_robot_is_audited(organization_a, make_robot, make_key, denials):
    mine, other = make_robot(organization_a), make_robot(organization_a)
    client = keyed(make_key(organization_a, ["telemetry:write"], robot=mine))
    point = {"metric_name": "a", "time": timezone.now().isoformat(), "value": 1}
    body = {"points": [{**point, "robot_id": str(other.pk)}]}
    assert (
        client.post("/api/v1/telemetry", body, content_type="application/json").status_code == 422
    )
    (row,) = denials(organization_a)
    assert (row.action, row.error_message) == ("accounts.access.deny", "wrong_robot")


def test_rate_limit_denial_is_audited_once_per_window(organization_a, make_key, denials):
    client = keyed(make_key(organization_a, ["robots:read"], rate_limit=2))
    codes = [client.get("/api/v1/robots").status_code for _ in range(8)]
    assert codes == [200, 200, *[429] * 6]
    (row,) = denials(organization_a)
    assert (row.action, row.error_message) == ("accounts.access.limit", "rate_limited")


def test_flood_of_denials_is_sampled(organization_a, bob, client_for, denials):
    client = client_for(bob)
    for _ in range(101):
        assert client.get("/api/v1/api-keys").status_code == 403
    told = [row.request_data.get("refusals_within_a_minute") for row in denials(organization_a)]
    assert told == [None, 10, 100]


def test_flood_of_denials_without_redis_is_sampled(
    organization_a, bob, client_for, denials, monkeypatch
):
    from urfmp.common.redis import rate_limit

    monkeypatch.setattr(
        rate_limit,
        "redis_rate_limits",
        lambda: rate_limit._RedisRateLimits("redis://127.0.0.1:1/0"),
    )
    client = client_for(bob)
    for _ in range(3):
        assert client.get("/api/v1/api-keys").status_code == 403
    assert len(denials(organization_a)) == 1


def test_denied_request_is_rolled_back_and_audited(
    organization_a, bob, client_for, denials, monkeypatch, make_facility, tenant
):
    from rest_framework.exceptions import PermissionDenied

    from apps.organizations.api.facilities import FacilityViewSet
    from apps.organizations.models import Facility

    facility = make_facility(organization_a)

    def half_way(self, request, *args, **kwargs):
        Facility.objects.update(name="half")
        raise PermissionDenied

    monkeypatch.setattr(FacilityViewSet, "retrieve", half_way)
    assert client_for(bob).get(f"/api/v1/facilities/{facility.pk}").status_code == 403
    with tenant(organization_a):
        assert Facility.objects.get().name == facility.name
    assert len(denials(organization_a)) == 1


def test_audit_failure_keeps_response(organization_a, bob, client_for, monkeypatch):
    from django.db import OperationalError

    from apps.accounts.middleware import access_denied as module

    def fail(**_):
        raise OperationalError

    monkeypatch.setattr(module, "audit_record", fail)
    answer = client_for(bob).get("/api/v1/api-keys")
    assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "permission_denied")


def test_denial_leaves_no_tenant_transaction_open(organization_a, bob, client_for):
    client_for(bob).get("/api/v1/api-keys")
    assert settings.DATABASES["default"]["TENANT_WALL"]
    with pytest.raises(TenantError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_logs")
