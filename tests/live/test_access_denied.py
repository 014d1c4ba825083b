"""What the live process refuses stands in the record, as what web refuses does."""

from __future__ import annotations

import pytest

from apps.accounts.models import ApiKey
from apps.accounts.selectors.key_format import generate_key
from apps.audit.models import AuditLog
from apps.audit.selectors.chain import audit_verify

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refusals(tenant):
    """Return a function that gives what was refused in an organization, oldest first."""

    def get(organization):
        with tenant(organization):
            rows = AuditLog.objects.filter(action__startswith="accounts.access.")
            return list(rows.order_by("seq"))

    return get


def told(row):
    return (row.action, row.error_message, row.request_data["route"], row.success)


def test_a_key_without_the_scope(live, alice, make_key, organization_a, refusals):
    key = make_key(organization_a, ["robots:read"])
    headers = {"X-Request-ID": "the-request", "User-Agent": "Probe/1"}
    assert live.stream(key, headers, last_event_id="hush").status == 403
    (row,) = refusals(organization_a)
    assert told(row) == ("accounts.access.deny", "permission_denied", "api/v1/events", False)
    assert row.user_id is None
    assert row.api_key_id is not None
    assert (row.ip_address, row.user_agent, row.request_id) == (
        "127.0.0.1", "Probe/1", "the-request",
    )  # fmt: skip
    assert "hush" not in str(vars(row))
    assert audit_verify() == []


def test_a_key_that_is_over(live, alice, make_key, organization_a, tenant, refusals):
    key = make_key(organization_a)
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    assert live.stream(key).status == 401
    (row,) = refusals(organization_a)
    assert told(row)[:2] == ("accounts.access.refuse", "key_revoked")
    assert key not in str(vars(row))


def test_a_limit_once_and_a_flood_in_a_handful(live, alice, make_key, organization_a, refusals):
    spent = make_key(organization_a, ["robots:read", "telemetry:read"], rate_limit=1)
    assert [live.stream(spent).status for _ in range(4)] == [200, 429, 429, 429]
    bare = make_key(organization_a, ["robots:read"])
    assert {live.stream(bare).status for _ in range(12)} == {403}
    limit, first, tenth = refusals(organization_a)
    assert told(limit)[:2] == ("accounts.access.limit", "rate_limited")
    assert "refusals_within_a_minute" not in first.request_data
    assert tenth.request_data["refusals_within_a_minute"] == 10


def test_a_session_that_a_foreign_page_uses(live, alice, client_for, organization_a, refusals):
    assert live.stream(client_for(alice), {"Origin": "http://evil.example"}).status == 403
    (row,) = refusals(organization_a)
    assert told(row)[:2] == ("accounts.access.deny", "foreign_origin")
    assert (row.user_id, row.api_key_id) == (alice.pk, None)


def test_nobody_is_not_recorded(live, alice, make_key, organization_a, organization_b, refusals):
    for key in (generate_key(), "nonsense", make_key(organization_a)[:-1] + "-"):
        assert live.stream(key).status == 401
    assert live.get("/api/v1/events")[0] == 401
    assert live.get("/api/v1/events", {"Cookie": "urfmp_session=x"})[0] == 401
    assert refusals(organization_a) == refusals(organization_b) == []
