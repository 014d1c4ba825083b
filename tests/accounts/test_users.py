"""Users: e-mail, password, permissions and admins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.exceptions import GrantExceedsOwnError, LastAdminError, SystemUserError
from apps.accounts.models import User
from apps.accounts.permissions.grants import check_can_grant
from apps.accounts.permissions.roles import ROLE_PERMISSIONS
from apps.accounts.services.users import system_user_get, user_create, user_update
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


def patch(client, user, **changes):
    return client.patch(f"/api/v1/users/{user.pk}", changes, content_type="application/json")


def test_email_is_stored_in_lower_case(organization_a, tenant, make_user):
    user = make_user(organization_a, email="  Dora@Acme.Example ")
    assert user.email == "dora@acme.example"
    with tenant(organization_a):
        assert user_update(user, email=" DORA@Other.example").email == "dora@other.example"


def test_email_is_unique_on_platform(organization_a, alice, charlie, tenant):
    with tenant(organization_a), pytest.raises(ValidationError) as caught:
        user_create(organization_id=organization_a.id, email=charlie.email.upper())
    assert set(caught.value.message_dict) == {"email"}
    with tenant(organization_a), pytest.raises(ValidationError) as caught:
        user_update(alice, email=charlie.email)
    assert set(caught.value.message_dict) == {"email"}


def test_password_error_names_field(organization_a, tenant):
    with tenant(organization_a), pytest.raises(ValidationError) as caught:
        user_create(organization_id=organization_a.id, email="d@acme.example", password="short")
    assert set(caught.value.message_dict) == {"password"}


def test_password_with_surrounding_spaces_is_accepted(make_user, organization_a):
    password = "  a password with blanks  "
    make_user(organization_a, email="d@acme.example", password=password)
    answer = Client().post("/admin/login/", {"email": "d@acme.example", "password": password})
    assert answer.status_code == 302


@pytest.mark.parametrize("value", [None, "viewer"])
def test_null_value_is_rejected(value, client_for, alice, bob):
    answer = patch(client_for(alice), bob, is_active=None)
    assert answer.status_code == 400
    assert patch(client_for(alice), bob, role=value).status_code == (400 if value is None else 200)


def test_grant_beyond_own_permissions_gets_403(organization_a, make_user, client_for, bob):
    own = [*ROLE_PERMISSIONS["viewer"], "user.update", "user.view"]
    granter = make_user(organization_a, "custom", permissions=own)
    client = client_for(granter)
    for changes in ({"role": "admin"}, {"role": "operator"}, {"permissions": ["robot.control"]}):
        answer = patch(client, bob, **changes)
        assert (answer.status_code, answer.json()["code"]) == (403, "grant_exceeds_own")
        assert patch(client, granter, **changes).status_code == 403
    assert patch(client, bob, permissions=["user.view"]).status_code == 200
    assert patch(client, bob, first_name="Robert").status_code == 200


def test_user_with_more_permissions_cannot_be_changed(
    organization_a, make_user, client_for, alice, bob
):
    client = client_for(
        make_user(organization_a, "custom", permissions=["user.update", "user.view"])
    )
    for user in (alice, bob):
        for changes in ({"email": "mine@acme.example"}, {"is_active": False}):
            assert patch(client, user, **changes).status_code == 403


def test_only_super_admin_can_grant_super_admin(client_for, alice, bob, root):
    assert patch(client_for(alice), bob, role="super_admin").status_code == 403
    with pytest.raises(GrantExceedsOwnError):
        check_can_grant(alice, {"role": "super_admin"})
    check_can_grant(root, {"role": "super_admin"})


def test_unknown_permission_is_rejected(client_for, alice, bob):
    assert patch(client_for(alice), bob, permissions=["robot.fly"]).status_code == 400


def test_api_key_cannot_create_user_beyond_its_scopes(organization_a, make_key):
    key = make_key(organization_a, ["users:write", "users:read"])

    def create(**fields):
        return Client().post(
            "/api/v1/users",
            {"email": "k@acme.example", **fields},
            content_type="application/json",
            headers={"x-api-key": key},
        )

    assert create().status_code == 403  # the default role is operator
    assert create(role="admin").status_code == 403
    assert create(role="custom", permissions=["robot.view"]).status_code == 403
    assert create(role="custom", permissions=["user.view"]).status_code == 201


def test_api_key_without_scopes_cannot_grant():
    with pytest.raises(GrantExceedsOwnError):
        check_can_grant(SimpleNamespace(scopes=()), {"role": "viewer"})


@pytest.mark.parametrize("changes", [{"role": "viewer"}, {"is_active": False}])
def test_last_admin_cannot_be_demoted(changes, organization_a, alice, bob, tenant, client_for):
    with tenant(organization_a), pytest.raises(LastAdminError):
        user_update(alice, **changes)
    answer = patch(client_for(alice), alice, **changes)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    with tenant(organization_a):
        alice.refresh_from_db()
    assert (alice.role, alice.is_active) == ("admin", True)


@pytest.mark.django_db(transaction=True)
def test_concurrent_demotions_keep_one_admin(organization_a, make_user):
    first, second = make_user(organization_a), make_user(organization_a)

    def demote(user):
        with tenant_transaction(organization_a.id):
            return user_update(user, role="viewer")

    for _ in range(3):
        outcome = run_concurrently(lambda: demote(first), lambda: demote(second))
        assert sum(isinstance(item, LastAdminError) for item in outcome) == 1, outcome
        with tenant_transaction(organization_a.id):
            assert User.objects.filter(role="admin", is_active=True).count() == 1
            User.objects.filter(pk__in=[first.pk, second.pk]).update(role="admin")
        first.role = second.role = "admin"


def test_update_of_stale_instance_keeps_role(organization_a, alice, make_user, tenant):
    second = make_user(organization_a)
    with tenant(organization_a):
        stale = User.objects.get(pk=second.pk)
        user_update(second, role="viewer")
        user_update(stale, first_name="Sam")
        assert User.objects.get(pk=second.pk).role == "viewer"
        assert (stale.role, stale.first_name) == ("viewer", "Sam")


def test_system_user_cannot_be_changed(organization_a, alice, tenant, client_for):
    with tenant(organization_a):
        system = system_user_get(organization_id=organization_a.id)
        with pytest.raises(SystemUserError):
            user_update(system, is_active=True)
    answer = patch(client_for(alice), system, is_active=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "system_user")
    assert not system.check_password(PASSWORD)
    assert not system.has_usable_password()


def test_password_of_other_user_cannot_be_set(client_for, alice, bob):
    client, password = client_for(alice), "a new long password"
    assert patch(client, bob, password=password).status_code == 400
    body = {"email": "d@acme.example", "role": "viewer", "password": password}
    answer = client.post("/api/v1/users", body, content_type="application/json")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"password"})
