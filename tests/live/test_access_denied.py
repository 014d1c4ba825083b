"""Denied streams in the audit log."""

from __future__ import annotations

import pytest

from apps.accounts.models import ApiKey
from apps.accounts.selectors.key_format import generate_key
from apps.audit.models import AuditLog
from apps.audit.selectors.chain import audit_verify

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def denials(tenant):
    """Return a function that returns an organization's audited denials, oldest first."""

    def get(organization):
        with tenant(organization):
            rows = AuditLog.objects.filter(action__startswith="accounts.access.")
            return list(rows.order_by("seq"))

    return get


def audited(row):
    return (row.action, row.error_message, row.request_data["route"], row.success)


def test_key_without_scope_writes_audit_row(live, alice, make_key, organization_a, denials):
    key = make_key(organization_a, ["robots:read"])
    headers = {"X-Request-ID": "the-request", "User-Agent": "Probe/1"}
    assert live.stream(key, headers, last_event_id="hush").status == 403
    (row,) = denials(organization_a)
    assert audited(row) == ("accounts.access.deny", "permission_denied", "api/v1/events", False)
    assert row.user_id is None
    assert row.api_key_id is not None
    assert (row.ip_address, row.user_agent, row.request_id) == (
        "127.0.0.1", "Probe/1", "the-request",
    )  # fmt: skip
    assert "hush" not in str(vars(row))
    assert audit_verify() == []


def test_revoked_key_writes_audit_row(live, alice, make_key, organization_a, tenant, denials):
    key = make_key(organization_a)
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert live.stream(key).status == 401
    (row,) = denials(organization_a)
    assert audited(row)[:2] == ("accounts.access.refuse", "key_revoked")
    assert key not in str(vars(row))


def test_repeated_denials_write_few_audit_rows(live, alice, make_key, organization_a, denials):
    limited = make_key(organization_a, ["robots:read", "telemetry:read"], rate_limit=1)
    assert [live.stream(limited).status for _ in range(4)] == [200, 429, 429, 429]
    unscoped = make_key(organization_a, ["robots:read"])
    assert {live.stream(unscoped).status for _ in range(12)} == {403}
    limit, first, tenth = denials(organization_a)
    assert audited(limit)[:2] == ("accounts.access.limit", "rate_limited")
    assert "refusals_within_a_minute" not in first.request_data
    assert tenth.request_data["refusals_within_a_minute"] == 10


def test_session_used_by_foreign_origin_writes_audit_row(
    live, alice, client_for, organization_a, denials
):
    assert live.stream(client_for(alice), {"Origin": "http://evil.example"}).status == 403
    (row,) = denials(organization_a)
    assert audited(row)[:2] == ("accounts.access.deny", "foreign_origin")
    assert (row.user_id, row.api_key_id) == (alice.pk, None)


def test_unknown_credential_writes_no_audit_row(
    live, alice, make_key, organization_a, organization_b, denials
):
    for key in (generate_key(), "nonsense", make_key(organization_a)[:-1] + "-"):
        assert live.stream(key).status == 401
    assert live.get("/api/v1/events")[0] == 401
    assert live.get("/api/v1/events", {"Cookie": "urfmp_session=x"})[0] == 401
    assert denials(organization_a) == denials(organization_b) == []
