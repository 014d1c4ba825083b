"""Where a key is taken from, how it is replaced, and what is known of its use."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.exceptions import ApiKeyInactiveError, ApiKeyRotationError, PlanLimitError
from apps.accounts.models import ApiKey
from apps.accounts.selectors.credentials import KeyCredential, key_credential
from apps.accounts.services.api_keys import api_key_revoke, api_key_rotate, api_key_update
from tests.support.concurrency import run_concurrently

JSON = "application/json"


def ask(key, address="127.0.0.1"):
    return Client(REMOTE_ADDR=address).get("/api/v1/robots", headers={"x-api-key": key})


def row_of(key, organization, tenant):
    with tenant(organization):
        return ApiKey.objects.get(key_prefix=key[11:21])


# Networks


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("192.0.3.7", 403),
        ("2001:db8::1", 200),
        ("2001:db9::1", 403),
        ("", 403),
    ],
)
def test_key_outside_allowed_networks_gets_403(organization_a, make_key, address, status):
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    key = make_key(organization_a, ["robots:read"], allowed_networks=networks)
    answer = ask(key, address)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "address_not_allowed"
        assert not answer.has_header("RateLimit-Limit")


def test_forwarded_headers_of_client_are_ignored(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"], allowed_networks=["192.0.2.0/24"])
    headers = {"x-api-key": key, "x-forwarded-for": "192.0.2.7", "x-real-ip": "192.0.2.7"}
    assert Client().get("/api/v1/robots", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path", ["/api/v1/telemetry", "/api/v2/write", "/write", "/api/v1/device/status", "/admin/"]
)
def test_every_endpoint_checks_allowed_networks(organization_a, make_robot, make_key, path):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot, allowed_networks=["192.0.2.0/24"])
    answer = Client(headers={"authorization": f"Bearer {key}"}).post(path, {}, content_type=JSON)
    assert answer.status_code == 403


@given(st.ip_addresses(), st.lists(st.ip_addresses(network="10.0.0.0/8"), max_size=3))
def test_allows_ip_matches_ipaddress(address, others):
    networks = tuple(f"{other}/32" for other in others)
    credential = KeyCredential(None, None, None, (), None, networks)
    assert credential.allows_ip(str(address)) is (not networks or address in others)


@pytest.mark.parametrize("text", ["192.0.2.7/24", "nonsense", "", "10.0.0.0/33", "1.2.3.4\x00"])
def test_invalid_network_is_rejected(organization_a, make_key, text):
    with pytest.raises(ValidationError, match="no address or network"):
        make_key(organization_a, allowed_networks=[text])


def test_networks_are_normalized_unique_and_sorted(organization_a, make_key, tenant):
    given_networks = ["192.0.2.7", " 2001:DB8:0::/48", "192.0.2.7/32"]
    key = make_key(organization_a, allowed_networks=given_networks)
    stored = row_of(key, organization_a, tenant).allowed_networks
    assert stored == ["192.0.2.7/32", "2001:db8::/48"]
    assert [ipaddress.ip_network(network) for network in stored]


def test_database_rejects_invalid_networks(organization_a, make_key, tenant):
    make_key(organization_a)
    for bad in ("{nonsense}", "{NULL}"):
        with (
            tenant(organization_a),
            pytest.raises(Exception, match=r"cidr|check"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE api_keys SET allowed_networks = %s::text[]", [bad])


def test_api_changes_allowed_networks(organization_a, make_key, tenant, alice, client_for):
    client = client_for(alice)
    body = {"name": "k", "permissions": ["robots:read"], "allowed_networks": ["192.0.2.0/24"]}
    made = client.post("/api/v1/api-keys", body, content_type=JSON).json()
    assert made["allowed_networks"] == ["192.0.2.0/24"]
    path = f"/api/v1/api-keys/{made['id']}"
    answer = client.patch(path, {"allowed_networks": ["x"]}, content_type=JSON)
    assert answer.status_code == 400
    assert "allowed_networks" in answer.json()["errors"]
    answer = client.patch(path, {"allowed_networks": [], "name": "other"}, content_type=JSON)
    assert (answer.status_code, answer.json()["allowed_networks"]) == (200, [])
    assert answer.json()["key"] is None


@pytest.mark.parametrize("field", ["permissions", "robot"])
def test_scopes_and_robot_cannot_change(
    organization_a, make_key, make_robot, tenant, alice, client_for, field
):
    row = row_of(make_key(organization_a), organization_a, tenant)
    value = [] if field == "permissions" else str(make_robot(organization_a).pk)
    answer = client_for(alice).patch(
        f"/api/v1/api-keys/{row.pk}", {field: value}, content_type=JSON
    )
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


# Rotation


def rotate(key, organization, tenant, user, **kwargs):
    row = row_of(key, organization, tenant)
    with tenant(organization):
        return api_key_rotate(row, user=user, **kwargs)


def test_both_keys_are_valid_during_overlap(organization_a, make_key, make_robot, tenant, alice):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=robot, rate_limit=77)
    successor, new = rotate(key, organization_a, tenant, alice)
    assert ask(key).status_code == ask(new).status_code == 200
    old = row_of(key, organization_a, tenant)
    assert timedelta(hours=23) < old.expires_at - timezone.now() <= timedelta(hours=24)
    assert (successor.robot_id, successor.rate_limit) == (robot.pk, 77)
    assert (successor.permissions, successor.replaces_id) == (["robots:read"], old.pk)
    assert successor.user_id == old.user_id  # the system's: it survives the person
    assert successor.expires_at is None
    with tenant(organization_a):
        ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(minutes=5))
    assert (ask(key).status_code, ask(new).status_code) == (401, 200)


def test_rotation_without_overlap_revokes_old_key(organization_a, make_key, tenant, alice):
    key = make_key(organization_a, ["robots:read"])
    _, new = rotate(key, organization_a, tenant, alice, overlap=timedelta(0))
    assert (ask(key).status_code, ask(new).status_code) == (401, 200)


def test_rotation_keeps_earlier_expiry(organization_a, make_key, tenant, alice):
    end = timezone.now() + timedelta(hours=1)
    key = make_key(organization_a, expires_at=end)
    successor, _ = rotate(key, organization_a, tenant, alice)
    assert row_of(key, organization_a, tenant).expires_at == end == successor.expires_at


def test_inactive_or_replaced_key_cannot_be_rotated(organization_a, make_key, tenant, alice):
    ended, replaced = make_key(organization_a), make_key(organization_a)
    with tenant(organization_a):
        api_key_revoke(ApiKey.objects.get(key_prefix=ended[11:21]))
    rotate(replaced, organization_a, tenant, alice)
    for key in (ended, replaced):
        with pytest.raises(ApiKeyInactiveError):
            rotate(key, organization_a, tenant, alice)
    with tenant(organization_a), pytest.raises(ApiKeyInactiveError):
        api_key_update(ApiKey.objects.get(key_prefix=ended[11:21]), name="other")


def test_at_most_two_keys_of_rotation_are_valid(organization_a, make_key, tenant, alice):
    key = make_key(organization_a, ["robots:read"])
    _, second = rotate(key, organization_a, tenant, alice)
    with pytest.raises(ApiKeyRotationError):
        rotate(second, organization_a, tenant, alice)
    with tenant(organization_a):
        api_key_revoke(ApiKey.objects.get(key_prefix=key[11:21]))
    _, third = rotate(second, organization_a, tenant, alice)
    assert [ask(k).status_code for k in (key, second, third)] == [401, 200, 200]


def test_rotation_at_plan_limit_succeeds(organization_a, make_key, tenant, alice):
    with tenant(organization_a):
        type(organization_a).objects.update(plan="custom", api_key_limit=1)
    key = make_key(organization_a, ["robots:read"])
    _, new = rotate(key, organization_a, tenant, alice)
    assert ask(new).status_code == 200
    with pytest.raises(PlanLimitError):
        make_key(organization_a)


def test_overlap_cannot_exceed_plan_limit(organization_a, make_key, tenant, alice):
    with tenant(organization_a):
        type(organization_a).objects.update(plan="custom", api_key_limit=1)
    key = make_key(organization_a, ["robots:read"])
    successor, _ = rotate(key, organization_a, tenant, alice)
    old = row_of(key, organization_a, tenant)
    for end in (None, timezone.now() + timedelta(days=9)):
        with tenant(organization_a), pytest.raises(ValidationError):
            api_key_update(old, expires_at=end)
    sooner = timezone.now() + timedelta(hours=1)
    with tenant(organization_a):
        api_key_update(old, expires_at=sooner)
        api_key_revoke(successor)
    with pytest.raises(PlanLimitError):  # the old one works, so it counts
        make_key(organization_a)
    with tenant(organization_a):
        api_key_revoke(old)
    make_key(organization_a)


def test_replaced_key_with_expired_successor_counts_towards_plan(
    organization_a, make_key, tenant, alice
):
    with tenant(organization_a):
        type(organization_a).objects.update(plan="custom", api_key_limit=1)
    successor, _ = rotate(make_key(organization_a), organization_a, tenant, alice)
    with tenant(organization_a):
        over = timezone.now() - timedelta(minutes=1)
        ApiKey.objects.filter(pk=successor.pk).update(expires_at=over)
    with pytest.raises(PlanLimitError):
        make_key(organization_a)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_overlap_out_of_range_is_rejected(organization_a, make_key, tenant, alice, overlap):
    with pytest.raises(ValidationError):
        rotate(make_key(organization_a), organization_a, tenant, alice, overlap=overlap)


@pytest.mark.django_db(transaction=True)
def test_concurrent_rotations_one_succeeds(organization_a, make_key, tenant, alice):
    key = make_key(organization_a)

    def go():
        return rotate(key, organization_a, tenant, alice)

    results = run_concurrently(go, go, go, go)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, ApiKeyInactiveError) for result in results) == 3
    with tenant(organization_a):
        assert ApiKey.objects.count() == 2


def test_database_rejects_second_successor(organization_a, make_key, tenant, alice):
    key = make_key(organization_a)
    rotate(key, organization_a, tenant, alice)
    other = row_of(make_key(organization_a), organization_a, tenant)
    with tenant(organization_a), pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=other.pk).update(replaces=row_of(key, organization_a, tenant))


def test_api_rotation_returns_key_once(organization_a, make_key, tenant, alice, client_for):
    row = row_of(make_key(organization_a, ["robots:read"]), organization_a, tenant)
    client = client_for(alice)
    path = f"/api/v1/api-keys/{row.pk}/rotate"
    assert client.post(path, {"overlap_hours": 721}, content_type=JSON).status_code == 400
    answer = client.post(path, {"overlap_hours": 2}, content_type=JSON)
    assert answer.status_code == 201
    made = answer.json()
    assert ask(made["key"]).status_code == 200
    assert client.get(f"/api/v1/api-keys/{made['id']}").json()["key"] is None
    assert client.post(path, {}, content_type=JSON).json()["code"] == "key_ended"


def test_key_with_more_permissions_cannot_be_changed(
    organization_a, make_key, tenant, make_user, client_for
):
    row = row_of(make_key(organization_a, ["users:write"]), organization_a, tenant)
    user = make_user(organization_a, "custom", permissions=["api_key.create", "api_key.view"])
    client = client_for(user)
    path = f"/api/v1/api-keys/{row.pk}"
    answers = [
        client.post(f"{path}/rotate", {}, content_type=JSON),
        client.patch(path, {"rate_limit": None}, content_type=JSON),
    ]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(403, "grant_exceeds_own")}
    page = f"/admin/accounts/apikey/{row.pk}"
    form = {"_confirm": "1", "overlap_hours": "24"}
    assert "urfmp_live_" not in client.post(f"{page}/act/rotate/", form).content.decode()
    form = {"name": "x", "rate_limit": "", "allowed_networks": ""}
    assert "You cannot grant permissions" in client.post(f"{page}/change/", form).content.decode()
    with tenant(organization_a):
        assert ApiKey.objects.get().name == row.name


def test_writes_audit_rows_without_key(organization_a, make_key, tenant, alice):
    key = make_key(organization_a)
    _, new = rotate(key, organization_a, tenant, alice)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT action, l::text FROM audit_logs l WHERE action LIKE '%api_key%'")
        rows = cursor.fetchall()
    actions = [action for action, _ in rows]
    assert sorted(actions) == ["accounts.api_key.create"] + ["accounts.api_key.rotate"] * 2
    assert not any(new in text for _, text in rows)


def test_admin_changes_and_rotates_key(organization_a, make_key, tenant, alice, client_for):
    row = row_of(make_key(organization_a, ["robots:read"]), organization_a, tenant)
    client = client_for(alice)
    page = f"/admin/accounts/apikey/{row.pk}"
    assert b"Rotate" in client.get(f"{page}/change/").content
    form = {"name": "Line 4", "rate_limit": "10", "allowed_networks": "192.0.2.7\r\n10.0.0.0/8"}
    assert client.post(f"{page}/change/", form).status_code == 302
    changed = row_of("x" * 11 + row.key_prefix, organization_a, tenant)
    assert (changed.name, changed.rate_limit) == ("Line 4", 10)
    assert changed.allowed_networks == ["10.0.0.0/8", "192.0.2.7/32"]
    shown = client.get(f"{page}/change/").content.decode()
    assert "10.0.0.0/8\n192.0.2.7/32" in shown
    bad = client.post(f"{page}/change/", {**form, "allowed_networks": "10.0.0.1/8"})
    assert "is no address or network" in bad.content.decode()
    answer = client.post(f"{page}/act/rotate/", {"_confirm": "1", "overlap_hours": "0"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert b"urfmp_live_" in answer.content
    assert b"Rotate" not in client.get(f"{page}/change/").content  # it has ended


# Use


def test_key_use_is_recorded_once_a_minute(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"])
    assert row_of(key, organization_a, tenant).last_used_at is None
    ask(key)
    first = row_of(key, organization_a, tenant).last_used_at
    assert timezone.now() - first < timedelta(minutes=1)
    ask(key)
    assert row_of(key, organization_a, tenant).last_used_at == first
    earlier = timezone.now() - timedelta(minutes=5)
    with tenant(organization_a):
        ApiKey.objects.update(last_used_at=earlier)
    ask(key)
    assert row_of(key, organization_a, tenant).last_used_at > earlier + timedelta(minutes=1)


def test_denied_request_does_not_record_use(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"], allowed_networks=["192.0.2.0/24"])
    ask(key)
    assert row_of(key, organization_a, tenant).last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_locked_key_does_not_delay_request(organization_a, make_key, tenant):
    """A request whose key's row is held by somebody else is answered all the same."""
    key = make_key(organization_a, ["robots:read"])
    with tenant(organization_a):
        ApiKey.objects.select_for_update().get()
        (answer,) = run_concurrently(lambda: ask(key))
        assert answer.status_code == 200
    assert row_of(key, organization_a, tenant).last_used_at is None
    assert key_credential(key) is not None
