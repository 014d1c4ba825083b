"""Super admins work in one organization at a time, and each switch is audited."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User, UserSession
from apps.accounts.permissions.platform_staff import PLATFORM_STAFF_NAME
from apps.accounts.services.users import user_update
from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.maintenance.models import MaintenanceTask
from tests.conftest import PASSWORD, uncache_session
from tests.support.platform import LIST, enter, leave, names, recorded

CHOOSE = "/api/v1/auth/choose-organization"


@pytest.fixture
def client(root, client_for):
    return client_for(root)


def test_super_admin_without_organization_sees_nothing(client, root, organization_a, make_robot):
    make_robot(organization_a, name="Hidden")
    assert names(client) == set()
    assert names(client, "organizations") == {"Platform"}
    assert "Hidden" not in client.get("/admin/").content.decode()
    assert "platform staff" not in client.get("/admin/").content.decode()


def test_switch_opens_one_organization(
    client, root, organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a, name="Chosen")
    other = make_robot(organization_b, name="Other")
    enter(client, organization_a)
    assert names(client) == {"Chosen"}
    assert names(client, "organizations") == {"Acme"}
    assert client.get(f"/api/v1/robots/{other.pk}").status_code == 404
    assert client.get(reverse("admin:robot_page", args=[other.pk])).status_code == 404
    page = client.get(reverse("admin:robot_page", args=[robot.pk])).content.decode()
    assert "You are working in <strong>Acme</strong> as platform staff" in page
    assert reverse("admin:leave_organization") in page

    enter(client, organization_b)  # leaves the previous one
    assert names(client) == {"Other"}
    assert leave(client).status_code == 302
    assert names(client) == set()
    assert leave(client).status_code == 302  # in the home organization, leaving has no effect


def test_switch_writes_audit_rows_in_both_organizations(client, root, organization_a, tenant):
    enter(client, organization_a)
    client.get("/admin/")
    client.get("/api/v1/robots")
    leave(client)
    for organization in (root.organization_of_test, organization_a):
        for verb in ("choose", "leave"):
            assert recorded(organization, tenant, verb) == [(root.pk, organization_a.pk)]


def test_changes_by_super_admin_have_their_id(
    client, root, organization_a, alice, make_robot, tenant
):
    robot = make_robot(organization_a)
    enter(client, organization_a)
    response = client.patch(
        f"/api/v1/robots/{robot.pk}", {"name": "Renamed"}, content_type="application/json"
    )
    assert response.status_code == 200, response.content
    with tenant(organization_a):
        entry = AuditLog.objects.get(action="robots.robot.update")
    assert (entry.user_id, entry.organization_id) == (root.pk, organization_a.pk)


def test_rows_by_platform_staff_show_generic_name(
    client, root, organization_a, alice, client_for, make_robot, tenant
):
    robot = make_robot(organization_a)
    enter(client, organization_a)
    body = {
        "title": "Staff task", "type": "cleaning", "robot": str(robot.pk),
        "scheduled_at": (timezone.now() + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    task = client.post("/api/v1/maintenance-tasks", body, content_type="application/json")
    assert task.status_code == 201, task.content
    body = {"title": "Staff alert", "message": "m", "type": "system", "severity": "error"}
    alert = client.post("/api/v1/alerts", body, content_type="application/json").json()
    response = client.post(f"/api/v1/alerts/{alert['id']}/acknowledge")
    assert response.status_code == 200, response.content
    body = {"name": "Staff key", "permissions": ["telemetry:write"]}
    key = client.post("/api/v1/api-keys", body, content_type="application/json")
    assert key.status_code == 201, key.content

    own = client_for(alice)
    for path in (
        reverse("admin:maintenance_maintenancetask_changelist"),
        reverse("admin:maintenance_maintenancetask_change", args=[task.json()["id"]]),
        reverse("admin:alerts_alert_changelist"),
        reverse("admin:alerts_alert_change", args=[alert["id"]]),
        reverse("admin:accounts_apikey_changelist"),
        reverse("admin:accounts_apikey_change", args=[key.json()["id"]]),
        reverse("admin:audit_auditlog_changelist"),
        reverse("admin:robots_robot_history", args=[robot.pk]),
        reverse("admin:robot_page", args=[robot.pk]),
        "/admin/",
    ):
        response = own.get(path)
        assert response.status_code == 200, path
        assert root.email not in response.content.decode(), path
    assert (
        PLATFORM_STAFF_NAME in own.get(reverse("admin:audit_auditlog_changelist")).content.decode()
    )
    page = own.get(reverse("admin:accounts_apikey_change", args=[key.json()["id"]]))
    assert PLATFORM_STAFF_NAME in page.content.decode()
    # Users of the organization can change the task.
    response = own.patch(
        f"/api/v1/maintenance-tasks/{task.json()['id']}",
        {"title": "Taken over"},
        content_type="application/json",
    )
    assert response.status_code == 200, response.content
    with tenant(organization_a):
        assert MaintenanceTask.objects.get().created_by.get_full_name() == PLATFORM_STAFF_NAME
        assert str(Alert.objects.select_related("acknowledged_by").get().acknowledged_by) == (
            PLATFORM_STAFF_NAME
        )


def test_own_sessions_and_password_stay_in_home_organization(
    client, root, organization_a, alice, client_for
):
    client_for(alice)
    enter(client, organization_a)
    own = client.get("/api/v1/auth/sessions").json()["results"]
    assert len(own) == 1
    assert own[0]["is_current"]
    page = client.get(reverse("admin:own_sessions_page"))
    assert "This device" in page.content.decode()
    assert "You are working in <strong>Acme</strong>" in page.content.decode()
    response = client.get(reverse("admin:password_change"))
    assert response.status_code == 200
    assert client.post("/admin/logout/").status_code in {200, 302}
    assert client.get("/api/v1/robots").status_code in {401, 403}


def test_form_opened_before_switch_is_rejected(
    root, client_for, organization_a, organization_b, tenant
):
    """A form that was opened in one organization cannot be saved in another."""
    client = client_for(root, enforce_csrf_checks=True)

    def token(path):
        found = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).content.decode()
        )
        return found[1]

    def press(organization):
        url = reverse(
            "admin:organizations_platformorganization_act", args=[organization.pk, "enter"]
        )
        return client.post(url, {"csrfmiddlewaretoken": token(LIST)})

    assert press(organization_a).status_code == 302
    form = {
        "name": "Hall",
        "csrfmiddlewaretoken": token(reverse("admin:organizations_facility_add")),
    }
    assert press(organization_b).status_code == 302
    assert client.post(reverse("admin:organizations_facility_add"), form).status_code == 403
    form["csrfmiddlewaretoken"] = token(reverse("admin:organizations_facility_add"))
    assert client.post(reverse("admin:organizations_facility_add"), form).status_code == 302
    assert names(client, "facilities") == {"Hall"}


def test_switch_applies_to_one_session(root, client, organization_a, make_robot, tenant):
    make_robot(organization_a, name="Chosen")
    body = {"email": root.email, "password": PASSWORD}
    pair = Client().post("/api/v1/auth/login", body, content_type="application/json").json()
    api = Client(headers={"authorization": f"Bearer {pair['access_token']}"})

    def choose(value):
        return api.post(CHOOSE, {"organization": value}, content_type="application/json")

    assert names(api) == set()
    response = choose(str(organization_a.pk))
    assert response.json() == {"organization": {"id": str(organization_a.pk), "name": "Acme"}}
    assert names(api) == {"Chosen"}
    assert names(client) == set()  # the browser's session is unaffected
    for _ in range(3):
        api.get("/api/v1/robots")
    assert recorded(organization_a, tenant, "choose") == [(root.pk, organization_a.pk)]
    body = {"refresh_token": pair["refresh_token"]}
    fresh = Client().post("/api/v1/auth/refresh", body, content_type="application/json").json()
    api = Client(headers={"authorization": f"Bearer {fresh['access_token']}"})
    assert names(api) == {"Chosen"}
    assert choose(None).json() == {"organization": None}
    assert names(api) == set()
    assert choose(None).json() == {"organization": None}
    assert choose(str(uuid.uuid4())).status_code == 404
    assert choose("x").status_code == 400
    assert len(recorded(organization_a, tenant, "leave")) == 1


def test_switch_to_platform_returns_404(client, root):
    response = client.post(
        CHOOSE, {"organization": str(root.organization_id)}, content_type="application/json"
    )
    assert response.status_code == 404


@pytest.mark.parametrize("role", ["admin", "manager", "viewer"])
def test_switch_and_list_require_super_admin(
    role, organization_a, organization_b, make_user, client_for
):
    client = client_for(make_user(organization_a, role))
    body = {"organization": str(organization_b.pk)}
    assert client.post(CHOOSE, body, content_type="application/json").status_code == 403
    assert client.get("/api/v1/platform/organizations").status_code == 403
    assert client.get(LIST).status_code == 403
    assert leave(client).status_code == 403
    for verb in ("set-plan", "deactivate", "reactivate"):
        url = f"/api/v1/organizations/{organization_a.pk}/{verb}"
        body = {"plan": "enterprise"} if verb == "set-plan" else {}
        assert client.post(url, body, content_type="application/json").status_code == 403
        url = reverse("admin:organizations_organization_act", args=[organization_a.pk, verb])
        assert client.post(url, {"_confirm": "1", "plan": "free"}).status_code == 403
    response = client.patch(
        f"/api/v1/organizations/{organization_a.pk}",
        {"plan": "enterprise"},
        content_type="application/json",
    )
    assert response.status_code in {400, 403}


def test_active_organization_in_session_of_other_role_is_ignored(
    organization_a, organization_b, alice, client_for, make_robot, tenant
):
    make_robot(organization_b, name="Other")
    client = client_for(alice)
    with tenant(organization_a):
        row = UserSession.objects.get()
        data = {**row.data, "chosen_organization": {"id": str(organization_b.pk), "name": "x"}}
        UserSession.objects.update(data=data)
    uncache_session(client)
    assert names(client) == set()
    assert "x</strong>" not in client.get("/admin/").content.decode()


def test_demoted_super_admin_returns_home_at_once(
    client, root, organization_a, make_user, make_robot, tenant
):
    make_robot(organization_a, name="Chosen")
    make_user(root.organization_of_test, "super_admin")
    enter(client, organization_a)
    with tenant(root.organization_of_test):
        user_update(root, role="viewer")
    assert names(client) == set()
    assert names(client, "organizations") == {"Platform"}


def test_step_up_in_other_organization_uses_home_password(
    root, client, organization_a, alice, monkeypatch, tenant, make_user
):
    """Deactivating needs a recent login, whose rows belong to the platform."""
    from tests.accounts.test_step_up import Clock
    from urfmp.common.security import authentication_time, recent_auth

    clock = Clock()
    for module in (authentication_time, recent_auth):
        monkeypatch.setattr(module, "time", clock)
    enter(client, organization_a)
    clock.offset = 15 * 60
    url = reverse("admin:organizations_organization_act", args=[organization_a.pk, "deactivate"])
    assert client.post(url).status_code == 403
    wrong = {"_step_up": "POST", "_step_up_password": "not the password"}
    assert client.post(url, wrong).status_code == 403
    with tenant(root.organization_of_test):
        assert AuditLog.objects.filter(success=False, action="accounts.session.login").exists()
    assert client.post(url, {**wrong, "_step_up_password": PASSWORD}).status_code == 302
    with tenant(organization_a):
        organization_a.refresh_from_db()
    assert not organization_a.is_active
    clock.offset = 30 * 60
    deactivate = f"/api/v1/organizations/{organization_a.pk}/deactivate"
    response = client.post(deactivate)
    assert (response.status_code, response.json()["code"]) == (403, "step_up_required")
    body = {"password": PASSWORD}
    response = client.post("/api/v1/auth/step-up", body, content_type="application/json")
    assert response.status_code == 204, response.content
    assert client.post(deactivate).status_code == 200
    assert names(client, "organizations") == {"Acme"}


def test_platform_staff_placeholder_has_no_permissions():
    stand_in = User.placeholder_for(uuid.uuid4())
    assert str(stand_in) == PLATFORM_STAFF_NAME
    assert not stand_in.has_perm("robots.view_robot")
