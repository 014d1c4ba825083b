"""Deactivating an organization revokes all its credentials at once."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import UserSession
from apps.organizations.exceptions import PlatformOrganizationError
from apps.organizations.services.platform import organization_deactivate, organization_reactivate
from tests.conftest import PASSWORD


def login(email):
    body = {"email": email, "password": PASSWORD}
    return Client().post("/api/v1/auth/login", body, content_type="application/json")


def test_deactivation_revokes_all_credentials(
    organization_a, organization_b, alice, charlie, root, client_for, make_key, make_robot, tenant
):
    robot = make_robot(organization_a)
    browser, foreign = client_for(alice), client_for(charlie)
    pair = login(alice.email).json()
    token = Client(headers={"authorization": f"Bearer {pair['access_token']}"})
    key = Client(headers={"x-api-key": make_key(organization_a, ["robots:read"])})
    device = Client(headers={"x-api-key": make_key(organization_a, robot=robot)})
    own_clients = (browser, token, key)
    for client in (*own_clients, foreign):
        assert client.get("/api/v1/robots").status_code == 200

    with tenant(organization_a):
        organization_deactivate(organization_a)
        assert not UserSession.objects.exists()

    assert [client.get("/api/v1/robots").status_code for client in own_clients] == [401] * 3
    body = {"status": "idle"}
    response = device.post("/api/v1/device/status", body, content_type="application/json")
    assert response.status_code == 401
    assert browser.get("/admin/").status_code == 302
    assert login(alice.email).status_code == 401
    body = {"refresh_token": pair["refresh_token"]}
    response = Client().post("/api/v1/auth/refresh", body, content_type="application/json")
    assert response.status_code == 401
    assert foreign.get("/api/v1/robots").status_code == 200

    with tenant(organization_a):
        organization_reactivate(organization_a)
    assert key.get("/api/v1/robots").status_code == 200
    assert token.get("/api/v1/robots").status_code == 401
    assert browser.get("/admin/").status_code == 302
    assert login(alice.email).status_code == 200


def test_super_admin_deactivates_and_stays_in_organization(
    organization_a, alice, root, client_for, tenant
):
    own, client = client_for(alice), client_for(root)
    url = reverse("admin:organizations_platformorganization_act", args=[organization_a.pk, "enter"])
    client.post(url)
    for verb, active in (("deactivate", False), ("reactivate", True)):
        url = reverse("admin:organizations_organization_act", args=[organization_a.pk, verb])
        page = client.get(
            reverse("admin:organizations_organization_change", args=[organization_a.pk])
        )
        assert url in page.content.decode()
        assert client.post(url).status_code == 302
        with tenant(organization_a):
            organization_a.refresh_from_db()
        assert organization_a.is_active is active
        assert own.get("/api/v1/robots").status_code == 401
    for verb, active in (("deactivate", False), ("reactivate", True)):
        response = client.post(f"/api/v1/organizations/{organization_a.pk}/{verb}")
        assert (response.status_code, response.json()["is_active"]) == (200, active)


def test_platform_cannot_be_deactivated(root, tenant, client_for):
    with tenant(root.organization_of_test), pytest.raises(PlatformOrganizationError):
        organization_deactivate(root.organization_of_test)
    response = client_for(root).post(f"/api/v1/organizations/{root.organization_id}/deactivate")
    assert (response.status_code, response.json()["code"]) == (409, "platform_organization")
