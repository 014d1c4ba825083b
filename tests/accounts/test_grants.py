"""Grants are limited to own permissions on every path, and the last admin stays."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from apps.accounts.choices import Role
from apps.accounts.exceptions import GrantExceedsOwnError, LastAdminError
from apps.accounts.models import ApiKey, Invitation, User
from apps.accounts.permissions.grants import (
    check_can_grant,
    check_can_grant_scopes,
    check_can_manage,
)
from apps.accounts.permissions.roles import (
    PERMISSIONS,
    ROLE_PERMISSIONS,
    SCOPES,
    permissions_of_scopes,
)
from apps.accounts.services.users import user_update
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction

ROLES = ("admin", "manager", "operator", "technician", "viewer", "custom")
# Permissions that are needed to grant anything.
GRANTING_PERMISSIONS = {
    "user.view", "user.create", "user.update", "user.invite", "api_key.view", "api_key.create",
}  # fmt: skip


@pytest.fixture
def granter(request, organization_a, make_user):
    """A user with the permissions of a role who can also manage users and API keys."""
    extra = sorted(GRANTING_PERMISSIONS - ROLE_PERMISSIONS[request.param])
    return make_user(organization_a, request.param, permissions=extra)


def permissions_of(user):
    return ROLE_PERMISSIONS[user.role] | set(user.permissions)


def new_email():
    return f"p-{uuid.uuid4().hex[:8]}@acme.example"


def post(client, path, body):
    return client.post(f"/api/v1/{path}", body, content_type="application/json")


def is_role_allowed(own, role):
    return role != "super_admin" and ROLE_PERMISSIONS[role] <= own


@pytest.mark.parametrize("granter", ROLES, indirect=True)
def test_api_grants_only_roles_within_own_permissions(
    granter, client_for, organization_a, make_user, tenant
):
    client, own = client_for(granter), permissions_of(granter)
    target = make_user(organization_a, "custom")
    for role in Role.values:
        allowed = is_role_allowed(own, role)
        for path in ("users", "invitations"):
            answer = post(client, path, {"email": new_email(), "role": role})
            assert (answer.status_code == 201) is allowed, (path, role, answer.content)
            assert allowed or answer.json()["code"] == "grant_exceeds_own"
        answer = client.patch(
            f"/api/v1/users/{target.pk}", {"role": role}, content_type="application/json"
        )
        assert (answer.status_code == 200) is allowed, (role, answer.content)
        with tenant(organization_a):
            User.objects.filter(pk=target.pk).update(role="custom")
    with tenant(organization_a):
        granted = {*User.objects.exclude(pk=granter.pk).values_list("role", flat=True)}
        granted |= {*Invitation.objects.values_list("role", flat=True)}
    assert all(ROLE_PERMISSIONS[role] <= own for role in granted)


def test_only_super_admin_role_can_grant_super_admin():
    """A custom user with all permissions of the role cannot grant it."""
    all_permissions = sorted(ROLE_PERMISSIONS["super_admin"])
    check_can_grant(User(role="super_admin"), {"role": "super_admin"})
    check_can_grant(
        User(role="custom", permissions=all_permissions), {"permissions": all_permissions}
    )
    with pytest.raises(GrantExceedsOwnError):
        check_can_grant(User(role="custom", permissions=all_permissions), {"role": "super_admin"})


@pytest.mark.parametrize("granter", ROLES, indirect=True)
def test_admin_grants_only_roles_within_own_permissions(granter, client_for):
    client, own = client_for(granter), permissions_of(granter)
    for model in ("user", "invitation"):
        page = reverse(f"admin:accounts_{model}_add")
        for role in Role.values:
            answer = client.post(page, {"email": new_email(), "role": role})
            assert (answer.status_code == 302) is is_role_allowed(own, role), (model, role)


@pytest.mark.parametrize("granter", ROLES, indirect=True)
def test_only_own_permissions_and_scopes_can_be_granted(
    granter, client_for, organization_a, make_user, tenant
):
    client, own = client_for(granter), permissions_of(granter)
    target = make_user(organization_a, "custom")
    for permission in sorted(PERMISSIONS):
        answer = client.patch(
            f"/api/v1/users/{target.pk}",
            {"permissions": [permission]},
            content_type="application/json",
        )
        assert (answer.status_code == 200) is (permission in own), permission
        if answer.status_code == 200:
            with tenant(organization_a):
                User.objects.filter(pk=target.pk).update(permissions=[])
    for scope in SCOPES:
        answer = post(client, "api-keys", {"name": scope, "permissions": [scope]})
        assert (answer.status_code == 201) is (permissions_of_scopes([scope]) <= own), scope
    page = reverse("admin:accounts_user_change", args=[target.pk])
    denied = sorted(PERMISSIONS - own)
    form = {"email": target.email, "role": "custom", "is_active": "on", "permissions": denied}
    assert client.post(page, form).status_code == (200 if denied else 302)
    page = reverse("admin:accounts_apikey_add")
    for scope in SCOPES:
        client.post(page, {"name": f"admin {scope}", "permissions": [scope], "rate_limit": "10"})
    with tenant(organization_a):
        assert User.objects.get(pk=target.pk).permissions == []
        for key in ApiKey.objects.all():
            assert permissions_of_scopes(key.permissions) <= own, key.name


@pytest.mark.parametrize("granter", ROLES, indirect=True)
@pytest.mark.parametrize("role", ["viewer", "operator", "manager", "admin"])
def test_user_with_more_permissions_cannot_be_changed(
    granter, role, client_for, organization_a, make_user, tenant
):
    target = make_user(organization_a, role)
    allowed = ROLE_PERMISSIONS[role] <= permissions_of(granter)
    client = client_for(granter)
    body = {"email": new_email()}
    answer = client.patch(f"/api/v1/users/{target.pk}", body, content_type="application/json")
    assert (answer.status_code == 200) is allowed
    page = reverse("admin:accounts_user_change", args=[target.pk])
    for new_role in {role, "custom"}:
        form = {"email": "mine@acme.example", "role": new_role, "is_active": "on"}
        assert (client.post(page, form).status_code == 302) is allowed
    assert client.post(page, {"email": target.email, "role": "custom"}).status_code == (
        302 if allowed else 200
    )
    with tenant(organization_a):
        fresh = User.objects.get(pk=target.pk)
    if not allowed:
        assert (fresh.email, fresh.role, fresh.is_active) == (target.email, role, True)


def test_manager_cannot_invite_admin(organization_a, make_user, client_for):
    client = client_for(make_user(organization_a, "manager", permissions=["user.invite"]))
    answer = post(client, "invitations", {"email": new_email(), "role": "admin"})
    assert (answer.status_code, answer.json()["code"]) == (403, "grant_exceeds_own")
    without_invite = client_for(make_user(organization_a, "manager"))
    assert (
        post(without_invite, "invitations", {"email": new_email(), "role": "viewer"}).status_code
        == 403
    )


@pytest.mark.parametrize("role", Role.values)
def test_checks_reject_permissions_beyond_own(role, make_user, organization_a):
    user = User(role=role, permissions=[])
    own = ROLE_PERMISSIONS[role]
    for granted in Role.values:
        is_allowed = ROLE_PERMISSIONS[granted] <= own
        target = User(role=granted, permissions=[])
        for check in (
            lambda granted=granted: check_can_grant(user, {"role": granted}),
            lambda target=target: check_can_manage(user, target),
        ):
            if is_allowed:
                check()
            else:
                with pytest.raises(GrantExceedsOwnError):
                    check()
    for scope in SCOPES:
        if permissions_of_scopes([scope]) <= own:
            check_can_grant_scopes(user, [scope])
        else:
            with pytest.raises(GrantExceedsOwnError):
                check_can_grant_scopes(user, [scope])


def test_last_admin_cannot_be_removed_on_any_path(
    organization_a, alice, client_for, tenant, make_key
):
    client = client_for(alice)
    page = reverse("admin:accounts_user_change", args=[alice.pk])
    for form in ({"role": "viewer", "is_active": "on"}, {"role": "admin"}, {"role": "viewer"}):
        answer = client.post(page, {"email": alice.email, **form})
        assert answer.status_code == 200, form
    key = make_key(organization_a, ["users:write", "users:read"])
    for changes in ({"role": "viewer"}, {"is_active": False}, {"role": "custom"}):
        answer = client.patch(f"/api/v1/users/{alice.pk}", changes, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
        answer = client.patch(
            f"/api/v1/users/{alice.pk}",
            changes,
            content_type="application/json",
            headers={"x-api-key": key},
        )
        assert answer.status_code == 403
    with tenant(organization_a):
        alice.refresh_from_db()
    assert (alice.role, alice.is_active) == ("admin", True)


def test_admin_without_password_does_not_count_as_other_admin(
    organization_a, alice, make_user, client_for, tenant
):
    invited = make_user(organization_a, "admin", password=None)
    client = client_for(alice)
    for changes in ({"role": "viewer"}, {"is_active": False}):
        answer = client.patch(f"/api/v1/users/{alice.pk}", changes, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    with tenant(organization_a):
        user_update(invited, role="viewer")
        user_update(invited, role="admin", password="seven quiet green herons")
        user_update(alice, role="viewer")
        with pytest.raises(LastAdminError):
            user_update(invited, is_active=False)


def test_last_admin_without_password_cannot_be_demoted(organization_b, make_user, tenant):
    first, second = (make_user(organization_b, "admin", password=None) for _ in range(2))
    with tenant(organization_b):
        user_update(first, is_active=False)
        with pytest.raises(LastAdminError):
            user_update(second, role="viewer")


@pytest.mark.django_db(transaction=True)
def test_concurrent_removals_keep_one_admin(organization_a, make_user):
    admins = [make_user(organization_a) for _ in range(4)]
    changes = ({"role": "viewer"}, {"is_active": False}, {"role": "custom"}, {"role": "manager"})

    def update(user, changes):
        with tenant_transaction(organization_a.pk):
            return user_update(user, **changes)

    outcome = run_concurrently(
        *(lambda u=u, c=c: update(u, c) for u, c in zip(admins, changes, strict=True))
    )
    assert sum(isinstance(item, LastAdminError) for item in outcome) == 1, outcome
    with tenant_transaction(organization_a.pk):
        assert User.objects.filter(role="admin", is_active=True).count() == 1
