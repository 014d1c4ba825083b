"""Super admins, and the list of all organizations."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from django.urls import reverse

from apps.accounts.exceptions import LastAdminError, RoleNotAllowedError
from apps.accounts.services.users import user_create, user_update
from apps.audit.models import AuditLog
from apps.organizations.models import Organization, PlatformOrganization
from tests.support.platform import LIST, enter, leave
from urfmp.common.tenancy.context import Actor, tenant_transaction


@pytest.fixture
def client(root, client_for):
    return client_for(root)


def test_super_admin_role_requires_platform(
    client, root, organization_a, alice, tenant, client_for
):
    with tenant(organization_a), pytest.raises(RoleNotAllowedError):
        user_create(organization_id=organization_a.pk, email="x@y.example", role="super_admin")
    with tenant(organization_a), pytest.raises(RoleNotAllowedError):
        user_update(alice, role="super_admin")
    enter(client, organization_a)
    response = client.patch(
        f"/api/v1/users/{alice.pk}", {"role": "super_admin"}, content_type="application/json"
    )
    assert (response.status_code, response.json()["code"]) == (409, "role_not_here")
    page = client.get(reverse("admin:accounts_user_change", args=[alice.pk])).content.decode()
    assert 'value="super_admin"' not in page
    leave(client)
    page = client.get(reverse("admin:accounts_user_add")).content.decode()
    assert 'value="super_admin"' in page


def test_super_admin_role_in_other_organization_has_no_effect(root, alice, organization_a, tenant):
    """The role has no effect outside the platform's organization."""
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE users SET role = 'super_admin' WHERE id = %s", [alice.pk])
        cursor.execute("SELECT is_super_admin(%s), is_super_admin(%s)", [alice.pk, root.pk])
        assert cursor.fetchone() == (False, True)


def test_last_super_admin_cannot_be_removed(root, make_user, tenant):
    admin = make_user(root.organization_of_test, "admin")
    for changes in ({"role": "admin"}, {"is_active": False}):
        with tenant(root.organization_of_test), pytest.raises(LastAdminError):
            user_update(root, **changes)
    with tenant(root.organization_of_test):
        root.refresh_from_db()
        user_update(admin, role="viewer")  # the super admin remains
        user_update(admin, role="super_admin")
        assert user_update(root, role="admin").role == "admin"


@pytest.mark.parametrize("who", ["nobody", "admin", "elsewhere"])
def test_list_requires_super_admin_in_home_organization(who, root, organization_a, alice):
    organization, user = {
        "nobody": (root.organization_of_test, None),
        "admin": (organization_a, alice),
        "elsewhere": (organization_a, root),
    }[who]
    actor = Actor(user_id=user.pk if user else None)
    with (
        pytest.raises(ProgrammingError, match="Only a super admin"),
        tenant_transaction(organization.pk, actor),
    ):
        list(PlatformOrganization.objects.all())


def test_list_shows_names_and_counts(
    client, root, organization_a, organization_b, make_robot, make_key, alice, bob
):
    for _ in range(2):
        make_robot(organization_a)
    make_key(organization_a)
    rows = client.get("/api/v1/platform/organizations?ordering=-robot_count").json()["results"]
    assert [row["slug"] for row in rows] == ["acme", "globex"]
    first = rows[0]
    assert (first["robot_count"], first["user_count"], first["api_key_count"]) == (2, 2, 1)
    page = client.get(LIST, {"q": "glob"}).content.decode()
    assert "Globex" in page
    assert "Acme" not in page
    assert client.get(LIST, {"plan__exact": "free"}).status_code == 200
    page = client.get("/api/v1/platform/organizations", {"page_size": 1}).json()
    assert [row["slug"] for row in page["results"]] == ["acme"]
    following = client.get(page["next"]).json()["results"]
    assert [row["slug"] for row in following] == ["globex"]


def test_plan_and_limits_are_changed_in_organization(client, organization_a, tenant):
    enter(client, organization_a)
    url = reverse("admin:organizations_organization_act", args=[organization_a.pk, "set-plan"])
    form = {"_confirm": "1", "plan": "custom", "robot_limit": "7", "user_limit": ""}
    assert client.post(url, form).status_code == 302
    with tenant(organization_a):
        fresh = Organization.objects.get()
        entry = AuditLog.objects.get(action="organizations.organization.set_plan")
    assert (fresh.plan, fresh.robot_limit, fresh.user_limit) == ("custom", 7, None)
    assert entry.after == {"plan": "custom", "robot_limit": 7}
    response = client.post(
        f"/api/v1/organizations/{organization_a.pk}/set-plan",
        {"plan": "free", "robot_limit": 3},
        content_type="application/json",
    )
    assert (response.status_code, response.json()["plan"]) == (200, "free")
    with tenant(organization_a):
        assert Organization.objects.get().robot_limit is None
    for body in ({}, {"plan": "gold"}, {"plan": "custom", "robot_limit": -1}):
        response = client.post(
            f"/api/v1/organizations/{organization_a.pk}/set-plan",
            body,
            content_type="application/json",
        )
        assert response.status_code == 400


def test_onboard_creates_organization(client, root, tenant):
    url = reverse("admin:organizations_platformorganization_add")
    form = {"name": "Initech", "slug": "initech", "plan": "starter", "admin_email": ""}
    response = client.post(url, form)
    assert response.status_code == 302, response.content
    body = {"name": "Initech 2", "slug": "initech-2", "plan": "free"}
    response = client.post("/api/v1/platform/organizations", body, content_type="application/json")
    assert response.status_code == 201, response.content
    slugs = {row["slug"] for row in client.get("/api/v1/platform/organizations").json()["results"]}
    assert slugs == {"initech", "initech-2"}
    for invalid in ({"slug": "initech"}, {"slug": "platform"}, {"slug": "Not a slug"}):
        response = client.post(
            "/api/v1/platform/organizations", {**body, **invalid}, content_type="application/json"
        )
        assert (response.status_code, list(response.json()["errors"])) == (400, ["slug"])
        assert client.post(url, {**form, **invalid}).status_code == 200
    with tenant(root.organization_of_test):
        assert AuditLog.objects.filter(action="organizations.organization.create").count() >= 2
