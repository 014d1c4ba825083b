"""Invitations sent by an API key, which are valid only while the key is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiKey, Invitation
from apps.accounts.services.api_keys import api_key_revoke, api_key_rotate
from apps.accounts.services.users import system_user_get
from apps.organizations.services.platform import organization_deactivate, organization_reactivate
from urfmp.common.security.bearer_secrets import hash_token

pytestmark = pytest.mark.django_db

PASSWORD = "seven quiet green herons"
SCOPES = ["users:read", "users:write"]


@pytest.fixture
def key(organization_a, make_key):
    return make_key(organization_a, SCOPES)


@pytest.fixture
def key_row(key, organization_a, tenant):
    with tenant(organization_a):
        return ApiKey.objects.get(key_hash=hash_token(key))


@pytest.fixture
def code(key, run_jobs, newest_code):
    """The token that was sent to Kim by an API key."""
    answer = post("invitations", {"email": "kim@plant.example", "role": "custom"}, key)
    assert answer.status_code == 201, answer.content
    run_jobs()
    return newest_code()


def post(path, body, key=None):
    headers = {"x-api-key": key} if key else {}
    return Client(headers=headers).post(f"/api/v1/{path}", body, content_type="application/json")


def accept(code):
    return post("auth/invitation/accept", {"token": code, "password": PASSWORD})


def is_rejected(code):
    answer = accept(code)
    return (answer.status_code, answer.json()["code"]) == (400, "link_refused")


def test_invitation_of_valid_key_is_accepted(code, key_row, tenant, organization_a):
    with tenant(organization_a):
        assert Invitation.objects.get().invited_by_key == key_row
    assert accept(code).status_code == 204


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"permissions": ["users:read"]},
    ],
)
def test_key_without_permission_invalidates_invitation(
    changes, code, key_row, tenant, organization_a
):
    with tenant(organization_a):
        Invitation.objects.update(permissions=["user.invite"])
        ApiKey.objects.filter(pk=key_row.pk).update(**changes)
    assert is_rejected(code)
    with tenant(organization_a):
        assert Invitation.objects.exists()


def test_key_without_invite_scope_invalidates_invitation(code, key_row, tenant, organization_a):
    with tenant(organization_a):
        ApiKey.objects.filter(pk=key_row.pk).update(permissions=["users:read"])
    assert is_rejected(code)


def test_permissions_of_key_are_granted(code, tenant, organization_a):
    with tenant(organization_a):
        Invitation.objects.update(permissions=["user.invite"])
    assert accept(code).status_code == 204


def test_role_beyond_key_invalidates_invitation(code, tenant, organization_a):
    with tenant(organization_a):
        Invitation.objects.update(role="admin")
    assert is_rejected(code)


def test_revoked_key_invalidates_invitation(code, key_row, tenant, organization_a):
    with tenant(organization_a):
        api_key_revoke(key_row)
    assert is_rejected(code)


def test_invitation_without_inviter_is_rejected(code, tenant, organization_a):
    with tenant(organization_a):
        Invitation.objects.update(invited_by_key=None)
    assert is_rejected(code)


def test_inactive_organization_invalidates_invitation(code, tenant, organization_a):
    with tenant(organization_a):
        organization_deactivate(organization_a)
    assert is_rejected(code)
    with tenant(organization_a):
        organization_reactivate(organization_a)
    assert accept(code).status_code == 204


def test_resend_by_user_makes_invitation_valid(
    code, key_row, tenant, organization_a, alice, client_for, run_jobs, newest_code
):
    with tenant(organization_a):
        api_key_revoke(key_row)
        pk = Invitation.objects.get().pk
    answer = client_for(alice).post(f"/api/v1/invitations/{pk}/resend")
    body = answer.json()
    assert (answer.status_code, body["invited_by"], body["invited_by_key"]) == (
        200,
        str(alice.pk),
        None,
    )
    run_jobs()
    assert accept(newest_code()).status_code == 204


def test_resend_by_rotated_key_makes_invitation_valid(
    code, key_row, tenant, organization_a, run_jobs, newest_code
):
    with tenant(organization_a):
        author = system_user_get(organization_id=organization_a.pk)
        row, successor = api_key_rotate(key_row, user=author, overlap=timedelta(0))
        pk = Invitation.objects.get().pk
    assert is_rejected(code)
    answer = post(f"invitations/{pk}/resend", {}, successor)
    assert (answer.status_code, answer.json()["invited_by_key"]) == (200, str(row.pk))
    run_jobs()
    assert accept(newest_code()).status_code == 204


def test_key_of_other_organization_is_rejected(
    code, make_key, organization_a, organization_b, tenant
):
    foreign = make_key(organization_b, SCOPES)
    with tenant(organization_b):
        foreign_id = ApiKey.objects.get(key_hash=hash_token(foreign)).pk
    with tenant(organization_a):
        row = Invitation.objects.get()
        row.invited_by_key_id = foreign_id
        with pytest.raises(ValidationError):
            row.full_clean(exclude=["organization"])
    with pytest.raises(IntegrityError), tenant(organization_a):
        Invitation.objects.update(invited_by_key=foreign_id)
