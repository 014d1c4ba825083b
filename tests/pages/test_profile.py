"""Profile page, and the user's timezone on the other pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditLog

URL = "/admin/profile/"


@pytest.fixture
def read(tenant, organization_a):
    def stored(user):
        with tenant(organization_a):
            return User.objects.select_related("organization").get(pk=user.pk)

    return stored


@pytest.mark.parametrize("role", ["viewer", "technician", "custom", "admin"])
def test_user_of_any_role_changes_name_and_timezone(
    make_user, organization_a, client_for, tenant, read, role
):
    user = make_user(organization_a, role)
    client = client_for(user)
    data = {"first_name": "Mira", "last_name": "Novak", "timezone": "Asia/Kathmandu"}

    response = client.post(URL, data)

    assert response.status_code == 302
    changed = read(user)
    assert [changed.first_name, changed.last_name] == ["Mira", "Novak"]
    assert changed.effective_timezone == "Asia/Kathmandu"
    with tenant(organization_a):
        entry = AuditLog.objects.filter(action="accounts.user.update_profile").get()
        assert entry.after["timezone"] == "Asia/Kathmandu"


def test_profile_changes_nothing_else(bob, client_for, read):
    client_for(bob).post(URL, {"first_name": "Bob", "role": "admin", "email": "x@y.example"})

    changed = read(bob)
    assert (changed.role, changed.email) == ("viewer", bob.email)


@pytest.mark.parametrize(
    "data", [{"timezone": "Mars/Olympus"}, {"first_name": "a\nb"}, {"last_name": "x" * 101}]
)
def test_invalid_profile_is_shown_again(bob, client_for, read, data):
    response = client_for(bob).post(URL, data)

    assert response.status_code == 400
    assert response.context["form"].errors
    assert read(bob).timezone == ""


def test_pages_use_the_users_timezone(fleet, alice, client_for, make_task):
    task = make_task(fleet.a.organization, alice, due_at=datetime(2026, 7, 1, 12, tzinfo=UTC))
    address = f"/admin/maintenance/maintenancetask/{task.pk}/change/"
    client = client_for(alice)

    before = client.get(address).content.decode()
    client.post(URL, {"timezone": "Asia/Kathmandu"})
    after = client.get(address).content.decode()

    assert 'value="14:00:00"' in before  # Europe/Berlin, the organization's
    assert 'value="17:45:00"' in after


def test_user_timezone_is_set_through_the_api(alice, bob, client_for):
    client = client_for(alice)
    address = f"/api/v1/users/{bob.pk}"
    etag = client.get(address)["ETag"]

    good = client.patch(
        address, {"timezone": "Pacific/Apia"}, "application/json", headers={"If-Match": etag}
    )
    bad = client.patch(
        address, {"timezone": "x"}, "application/json", headers={"If-Match": good["ETag"]}
    )

    assert good.json()["timezone"] == "Pacific/Apia"
    assert bad.status_code == 400
    assert "IANA name" in str(bad.json()["errors"]["timezone"])


def test_unknown_stored_timezone_shows_utc(bob, organization_a, client_for, tenant):
    with tenant(organization_a):
        User.objects.filter(pk=bob.pk).update(timezone="Gone/Zone")

    response = client_for(bob).get(URL)

    assert response.status_code == 200
    assert 'content="UTC"' in response.content.decode()
