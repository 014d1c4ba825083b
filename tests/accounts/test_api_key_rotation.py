"""Rotation of API keys, and changes of keys in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.exceptions import ApiKeyInactiveError, ApiKeyRotationError, PlanLimitError
from apps.accounts.models import ApiKey
from apps.accounts.services.api_keys import api_key_revoke, api_key_rotate, api_key_update
from tests.support.api_keys import get_with_key, key_row
from tests.support.concurrency import run_concurrently

JSON = "application/json"


def rotate(key, organization, tenant, user, **kwargs):
    row = key_row(key, organization, tenant)
    with tenant(organization):
        return api_key_rotate(row, user=user, **kwargs)


def test_both_keys_are_valid_during_overlap(organization_a, make_key, make_robot, tenant, alice):
    robot = make_robot(organization_a)
    key = make_key(organization_a, ["robots:read"], robot=robot, rate_limit=77)
    successor, new = rotate(key, organization_a, tenant, alice)
    assert get_with_key(key).status_code == get_with_key(new).status_code == 200
    old = key_row(key, organization_a, tenant)
    assert timedelta(hours=23) < old.expires_at - timezone.now() <= timedelta(hours=24)
    assert (successor.robot_id, successor.rate_limit) == (robot.pk, 77)
    assert (successor.permissions, successor.replaces_id) == (["robots:read"], old.pk)
    assert successor.user_id == old.user_id  # the system user
    assert successor.expires_at is None
    with tenant(organization_a):
        ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(minutes=5))
    assert (get_with_key(key).status_code, get_with_key(new).status_code) == (401, 200)


def test_rotation_without_overlap_revokes_old_key(organization_a, make_key, tenant, alice):
    key = make_key(organization_a, ["robots:read"])
    _, new = rotate(key, organization_a, tenant, alice, overlap=timedelta(0))
    assert (get_with_key(key).status_code, get_with_key(new).status_code) == (401, 200)


def test_rotation_keeps_earlier_expiry(organization_a, make_key, tenant, alice):
    expires_at = timezone.now() + timedelta(hours=1)
    key = make_key(organization_a, expires_at=expires_at)
    successor, _ = rotate(key, organization_a, tenant, alice)
    assert key_row(key, organization_a, tenant).expires_at == expires_at == successor.expires_at


def test_inactive_or_replaced_key_cannot_be_rotated(organization_a, make_key, tenant, alice):
    revoked, replaced = make_key(organization_a), make_key(organization_a)
    with tenant(organization_a):
        api_key_revoke(ApiKey.objects.get(key_prefix=revoked[11:21]))
    rotate(replaced, organization_a, tenant, alice)
    for key in (revoked, replaced):
        with pytest.raises(ApiKeyInactiveError):
            rotate(key, organization_a, tenant, alice)
    with tenant(organization_a), pytest.raises(ApiKeyInactiveError):
        api_key_update(ApiKey.objects.get(key_prefix=revoked[11:21]), name="other")


def test_at_most_two_keys_of_rotation_are_valid(organization_a, make_key, tenant, alice):
    key = make_key(organization_a, ["robots:read"])
    _, second = rotate(key, organization_a, tenant, alice)
    with pytest.raises(ApiKeyRotationError):
        rotate(second, organization_a, tenant, alice)
    with tenant(organization_a):
        api_key_revoke(ApiKey.objects.get(key_prefix=key[11:21]))
    _, third = rotate(second, organization_a, tenant, alice)
    assert [get_with_key(k).status_code for k in (key, second, third)] == [401, 200, 200]


def test_rotation_at_plan_limit_succeeds(organization_a, make_key, tenant, alice):
    with tenant(organization_a):
        type(organization_a).objects.update(plan="custom", api_key_limit=1)
    key = make_key(organization_a, ["robots:read"])
    _, new = rotate(key, organization_a, tenant, alice)
    assert get_with_key(new).status_code == 200
    with pytest.raises(PlanLimitError):
        make_key(organization_a)


def test_overlap_cannot_exceed_plan_limit(organization_a, make_key, tenant, alice):
    with tenant(organization_a):
        type(organization_a).objects.update(plan="custom", api_key_limit=1)
    key = make_key(organization_a, ["robots:read"])
    successor, _ = rotate(key, organization_a, tenant, alice)
    old = key_row(key, organization_a, tenant)
    for expires_at in (None, timezone.now() + timedelta(days=9)):
        with tenant(organization_a), pytest.raises(ValidationError):
            api_key_update(old, expires_at=expires_at)
    earlier = timezone.now() + timedelta(hours=1)
    with tenant(organization_a):
        api_key_update(old, expires_at=earlier)
        api_key_revoke(successor)
    with pytest.raises(PlanLimitError):  # the old key is valid, so it counts
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
        past = timezone.now() - timedelta(minutes=1)
        ApiKey.objects.filter(pk=successor.pk).update(expires_at=past)
    with pytest.raises(PlanLimitError):
        make_key(organization_a)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_overlap_out_of_range_is_rejected(organization_a, make_key, tenant, alice, overlap):
    with pytest.raises(ValidationError):
        rotate(make_key(organization_a), organization_a, tenant, alice, overlap=overlap)


@pytest.mark.django_db(transaction=True)
def test_concurrent_rotations_one_succeeds(organization_a, make_key, tenant, alice):
    key = make_key(organization_a)

    def rotate_key():
        return rotate(key, organization_a, tenant, alice)

    results = run_concurrently(*[rotate_key] * 4)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, ApiKeyInactiveError) for result in results) == 3
    with tenant(organization_a):
        assert ApiKey.objects.count() == 2


def test_database_rejects_second_successor(organization_a, make_key, tenant, alice):
    key = make_key(organization_a)
    rotate(key, organization_a, tenant, alice)
    other = key_row(make_key(organization_a), organization_a, tenant)
    with tenant(organization_a), pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=other.pk).update(replaces=key_row(key, organization_a, tenant))


def test_api_rotation_returns_key_once(organization_a, make_key, tenant, alice, client_for):
    row = key_row(make_key(organization_a, ["robots:read"]), organization_a, tenant)
    client = client_for(alice)
    path = f"/api/v1/api-keys/{row.pk}/rotate"
    assert client.post(path, {"overlap_hours": 721}, content_type=JSON).status_code == 400
    answer = client.post(path, {"overlap_hours": 2}, content_type=JSON)
    assert answer.status_code == 201
    created = answer.json()
    assert get_with_key(created["key"]).status_code == 200
    assert client.get(f"/api/v1/api-keys/{created['id']}").json()["key"] is None
    assert client.post(path, {}, content_type=JSON).json()["code"] == "key_ended"


def test_key_with_more_permissions_cannot_be_changed(
    organization_a, make_key, tenant, make_user, client_for
):
    row = key_row(make_key(organization_a, ["users:write"]), organization_a, tenant)
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
    row = key_row(make_key(organization_a, ["robots:read"]), organization_a, tenant)
    client = client_for(alice)
    page = f"/admin/accounts/apikey/{row.pk}"
    assert b"Rotate" in client.get(f"{page}/change/").content
    form = {"name": "Line 4", "rate_limit": "10", "allowed_networks": "192.0.2.7\r\n10.0.0.0/8"}
    assert client.post(f"{page}/change/", form).status_code == 302
    changed = key_row("x" * 11 + row.key_prefix, organization_a, tenant)
    assert (changed.name, changed.rate_limit) == ("Line 4", 10)
    assert changed.allowed_networks == ["10.0.0.0/8", "192.0.2.7/32"]
    shown = client.get(f"{page}/change/").content.decode()
    assert "10.0.0.0/8\n192.0.2.7/32" in shown
    bad = client.post(f"{page}/change/", {**form, "allowed_networks": "10.0.0.1/8"})
    assert "is not an IP address or network" in bad.content.decode()
    answer = client.post(f"{page}/act/rotate/", {"_confirm": "1", "overlap_hours": "0"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert b"urfmp_live_" in answer.content
    assert b"Rotate" not in client.get(f"{page}/change/").content  # revoked
