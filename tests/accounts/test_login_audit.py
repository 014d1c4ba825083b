"""Attempts with unknown e-mail addresses do not fill the platform's audit log."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.services import login_audit
from apps.accounts.services.login_audit import record_unknown_email_attempt
from apps.audit.models import AuditLog
from apps.audit.selectors.chain import audit_verify
from urfmp.common.redis import rate_limit
from urfmp.common.tenancy.context import Actor, tenant_transaction
from urfmp.common.tenancy.exceptions import TenantError

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "accounts.session.login"


@pytest.fixture(params=["redis", "postgresql"])
def store(request, monkeypatch):
    if request.param == "postgresql":
        gone = rate_limit._RedisRateLimits("redis://127.0.0.1:1/0")
        monkeypatch.setattr(rate_limit, "redis_rate_limits", lambda: gone)


@pytest.fixture
def told(owner_cursor):
    """Return a function that gives the platform's rows about addresses of this test."""
    mark = uuid.uuid4().hex[:8]

    def rows():
        owner_cursor.connection.rollback()
        owner_cursor.execute(
            "SELECT request_data, host(ip_address), user_agent, action, success, error_message"
            " FROM audit_logs WHERE organization_id IS NULL AND request_data ->> 'email' LIKE %s"
            " ORDER BY seq",
            [f"{mark}%"],
        )
        return owner_cursor.fetchall()

    rows.mark = mark
    return rows


def try_often(told, count, places=("192.0.2.1",), action=LOGIN):
    for number in range(count):
        actor = Actor(ip_address=places[number % len(places)])
        record_unknown_email_attempt(
            actor, action=action, email=f"{told.mark}{number}@plant.example"
        )


def test_unknown_email_login_is_audited_with_client(told):
    email = f"{told.mark}@plant.example"
    client = Client(REMOTE_ADDR="192.0.2.77", headers={"user-agent": "Probe/1"})
    client.post("/admin/login/", {"email": email, "password": "wrong"})
    client.post(
        "/api/v1/auth/login",
        {"email": email, "password": "wrong"},
        content_type="application/json",
    )
    expected = ({"email": email}, "192.0.2.77", "Probe/1", LOGIN, False)
    assert [row[:5] for row in told()] == [expected] * 2


def test_unknown_email_password_reset_is_audited(told, api_post, run_jobs):
    api_post("auth/password-reset", {"email": f"{told.mark}@plant.example"})
    run_jobs()
    ((_, address, _, action, success, _),) = told()
    assert (address, action, success) == ("127.0.0.1", "accounts.user.forgot_password", False)


def test_first_ten_of_network_are_audited_then_samples(told, store):
    try_often(told, 120)
    asked = [row[0] for row in told()]
    assert [row["email"].partition("@")[0].removeprefix(told.mark) for row in asked] == [
        *map(str, range(10)), "99",
    ]  # fmt: skip
    assert asked[-1]["within_an_hour"] == 100
    assert asked[-1]["within_an_hour_from_everywhere"] == 100
    try_often(told, 1, places=["192.0.2.2"])  # another network is sampled
    assert len(told()) == 12


def test_ip_block_counts_as_one_network(told):
    try_often(told, 99, places=[f"2001:db8:1:2::{number:x}" for number in range(1, 50)])
    assert len(told()) == 10
    try_often(told, 1, places=["2001:db8:1:3::1"])
    assert len(told()) == 11


def test_many_networks_share_total_limit(told, monkeypatch):
    monkeypatch.setattr(login_audit, "_FIRST_N_TOTAL", 20)
    try_often(told, 205, places=[f"198.51.100.{number}" for number in range(200)])
    asked = [row[0] for row in told()]
    assert len(asked) == 21
    assert asked[-1] == {
        "email": f"{told.mark}99@plant.example",
        "within_an_hour_from_everywhere": 100,
    }
    try_often(told, 100, places=["203.0.113.1"])  # who tries often shows in spite of them
    assert told()[-1][0]["within_an_hour"] == 100


def test_attempts_with_known_email_are_always_audited(told, alice, organization_a, tenant):
    try_often(told, 300, places=[f"198.51.100.{number}" for number in range(250)])
    for number in range(10):
        client = Client(REMOTE_ADDR=f"198.51.100.{number}")
        client.post("/admin/login/", {"email": alice.email, "password": "wrong"})
    with tenant(organization_a):
        assert AuditLog.objects.filter(action=LOGIN, success=False).count() == 10


def test_each_action_is_counted_separately(told):
    try_often(told, 20, action="accounts.user.forgot_password")
    try_often(told, 1)
    assert told()[-1][3] == LOGIN


def test_unknown_email_is_not_audited_for_organization(told, organization_a):
    with tenant_transaction(organization_a.pk), pytest.raises(TenantError):
        try_often(told, 1)


def test_link_requests_of_ip_block_share_limit(api_post):
    answers = [
        Client(REMOTE_ADDR=f"2001:db8::{number:x}")
        .post(
            "/api/v1/auth/password-reset",
            {"email": f"n{number}@acme.example"},
            content_type="application/json",
        )
        .status_code
        for number in range(51)
    ]
    assert answers == [202] * 50 + [429]


def test_unsampled_attempt_takes_as_long(told):
    """The same statements run up to the last one, so timing reveals nothing."""
    done = []
    for count in (1, 10):  # the last of the second is not sampled
        with CaptureQueriesContext(connection) as queries:
            try_often(told, count)
        done.append([query["sql"].partition("(")[0] for query in queries][-6:])
    assert len(told()) == 10
    written, undone = done
    assert [text for text in undone if "audit_record" in text] == ["SELECT audit_record"]
    assert [text for text in written if "audit_record" in text] == ["SELECT audit_record"]
    assert "SET CONSTRAINTS ALL IMMEDIATE" in undone
    assert audit_verify() == []
