"""The platform's super admins: one organization at a time, by choice, on the record."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.exceptions import LastAdminError, RoleNotHereError
from apps.accounts.models import User, UserSession
from apps.accounts.roaming import PLATFORM_STAFF
from apps.accounts.services import user_create, user_update
from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.maintenance.models import MaintenanceTask
from apps.organizations.models import Organization, PlatformOrganization
from apps.robots.models import Robot
from tests.conftest import PASSWORD, uncache
from urfmp.common.tenancy import Actor, TenantError, crossing_transaction, tenant_transaction

CHOOSE = "/api/v1/auth/choose-organization"
LIST = reverse("admin:organizations_platformorganization_changelist")


@pytest.fixture
def client(root, sign_in):
    return sign_in(root)


def enter(client, organization):
    address = reverse(
        "admin:organizations_platformorganization_act", args=[organization.pk, "enter"]
    )
    answer = client.post(address)
    assert (answer.status_code, answer["location"]) == (302, "/admin/"), answer.content
    return client


def leave(client):
    return client.post(reverse("admin:leave_organization"))


def recorded(organization, inside, verb):
    with inside(organization):
        return list(
            AuditLog.objects.filter(action=f"organizations.organization.{verb}").values_list(
                "user_id", "resource_id"
            )
        )


def names(client, route="robots"):
    return {row["name"] for row in client.get(f"/api/v1/{route}").json()["results"]}


def test_nothing_is_seen_before_a_choice(client, root, organization_a, make_robot):
    make_robot(organization_a, name="Hidden")
    assert names(client) == set()
    assert names(client, "organizations") == {"Platform"}
    assert "Hidden" not in client.get("/admin/").content.decode()
    assert "platform staff" not in client.get("/admin/").content.decode()


def test_a_choice_opens_one_organization(
    client, root, organization_a, organization_b, make_robot, inside
):
    robot = make_robot(organization_a, name="Chosen")
    other = make_robot(organization_b, name="Other")
    enter(client, organization_a)
    assert names(client) == {"Chosen"}
    assert names(client, "organizations") == {"Acme"}
    assert client.get(f"/api/v1/robots/{other.pk}").status_code == 404
    assert client.get(reverse("admin:robot_page", args=[other.pk])).status_code == 404
    page = client.get(reverse("admin:robot_page", args=[robot.pk])).content.decode()
    assert "You work in <strong>Acme</strong> as platform staff" in page
    assert reverse("admin:leave_organization") in page

    enter(client, organization_b)  # leaves the one before
    assert names(client) == {"Other"}
    assert leave(client).status_code == 302
    assert names(client) == set()
    assert leave(client).status_code == 302  # at home there is nothing to leave


def test_choosing_and_leaving_are_in_both_records(client, root, organization_a, inside):
    enter(client, organization_a)
    client.get("/admin/")
    client.get("/api/v1/robots")
    leave(client)
    for organization in (root.organization_of_test, organization_a):
        for verb in ("choose", "leave"):
            assert recorded(organization, inside, verb) == [(root.pk, organization_a.pk)]


def test_acts_carry_the_super_admins_id(client, root, organization_a, alice, make_robot, inside):
    robot = make_robot(organization_a)
    enter(client, organization_a)
    answer = client.patch(
        f"/api/v1/robots/{robot.pk}", {"name": "Renamed"}, content_type="application/json"
    )
    assert answer.status_code == 200, answer.content
    with inside(organization_a):
        entry = AuditLog.objects.get(action="robots.robot.update")
    assert (entry.user_id, entry.organization_id) == (root.pk, organization_a.pk)


def test_what_platform_staff_made_is_shown_under_their_name(
    client, root, organization_a, alice, sign_in, make_robot, inside
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
    answer = client.post(f"/api/v1/alerts/{alert['id']}/acknowledge")
    assert answer.status_code == 200, answer.content
    body = {"name": "Staff key", "permissions": ["telemetry:write"]}
    key = client.post("/api/v1/api-keys", body, content_type="application/json")
    assert key.status_code == 201, key.content

    own = sign_in(alice)
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
        answer = own.get(path)
        assert answer.status_code == 200, path
        assert root.email not in answer.content.decode(), path
    assert PLATFORM_STAFF in own.get(reverse("admin:audit_auditlog_changelist")).content.decode()
    page = own.get(reverse("admin:accounts_apikey_change", args=[key.json()["id"]]))
    assert PLATFORM_STAFF in page.content.decode()
    # And the organization's own people go on with it.
    answer = own.patch(
        f"/api/v1/maintenance-tasks/{task.json()['id']}",
        {"title": "Taken over"},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.content
    with inside(organization_a):
        assert MaintenanceTask.objects.get().created_by.get_full_name() == PLATFORM_STAFF
        assert str(Alert.objects.select_related("acknowledged_by").get().acknowledged_by) == (
            PLATFORM_STAFF
        )


def test_own_affairs_stay_at_home(client, root, organization_a, alice, sign_in):
    sign_in(alice)
    enter(client, organization_a)
    own = client.get("/api/v1/auth/sessions").json()["results"]
    assert len(own) == 1
    assert own[0]["is_current"]
    page = client.get(reverse("admin:own_sessions_page"))
    assert "This device" in page.content.decode()
    assert "You work in <strong>Acme</strong>" in page.content.decode()
    answer = client.get(reverse("admin:password_change"))
    assert answer.status_code == 200
    assert client.post("/admin/logout/").status_code in {200, 302}
    assert client.get("/api/v1/robots").status_code in {401, 403}


def test_forms_from_before_a_choice_are_refused(
    root, sign_in, organization_a, organization_b, inside
):
    """A form that was opened in one organization is not stored in another."""
    client = sign_in(root, enforce_csrf_checks=True)

    def token(path):
        found = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).content.decode()
        )
        return found[1]

    def press(organization):
        address = reverse(
            "admin:organizations_platformorganization_act", args=[organization.pk, "enter"]
        )
        return client.post(address, {"csrfmiddlewaretoken": token(LIST)})

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


def test_token_sessions_choose_for_themselves(root, client, organization_a, make_robot, inside):
    make_robot(organization_a, name="Chosen")
    body = {"email": root.email, "password": PASSWORD}
    pair = Client().post("/api/v1/auth/login", body, content_type="application/json").json()
    api = Client(headers={"authorization": f"Bearer {pair['access_token']}"})

    def choose(value):
        return api.post(CHOOSE, {"organization": value}, content_type="application/json")

    assert names(api) == set()
    answer = choose(str(organization_a.pk))
    assert answer.json() == {"organization": {"id": str(organization_a.pk), "name": "Acme"}}
    assert names(api) == {"Chosen"}
    assert names(client) == set()  # the browser has not chosen
    for _ in range(3):
        api.get("/api/v1/robots")
    assert recorded(organization_a, inside, "choose") == [(root.pk, organization_a.pk)]
    body = {"refresh_token": pair["refresh_token"]}
    fresh = Client().post("/api/v1/auth/refresh", body, content_type="application/json").json()
    api = Client(headers={"authorization": f"Bearer {fresh['access_token']}"})
    assert names(api) == {"Chosen"}
    assert choose(None).json() == {"organization": None}
    assert names(api) == set()
    assert choose(None).json() == {"organization": None}
    assert choose(str(uuid.uuid4())).status_code == 404
    assert choose("x").status_code == 400
    assert len(recorded(organization_a, inside, "leave")) == 1


def test_the_platform_itself_is_not_chosen(client, root):
    answer = client.post(
        CHOOSE, {"organization": str(root.organization_id)}, content_type="application/json"
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("role", ["admin", "manager", "viewer"])
def test_nobody_else_chooses_or_lists(role, organization_a, organization_b, make_user, sign_in):
    client = sign_in(make_user(organization_a, role))
    body = {"organization": str(organization_b.pk)}
    assert client.post(CHOOSE, body, content_type="application/json").status_code == 403
    assert client.get("/api/v1/platform/organizations").status_code == 403
    assert client.get(LIST).status_code == 403
    assert leave(client).status_code == 403
    for verb in ("set-plan", "deactivate", "reactivate"):
        address = f"/api/v1/organizations/{organization_a.pk}/{verb}"
        body = {"plan": "enterprise"} if verb == "set-plan" else {}
        assert client.post(address, body, content_type="application/json").status_code == 403
        address = reverse("admin:organizations_organization_act", args=[organization_a.pk, verb])
        assert client.post(address, {"_confirm": "1", "plan": "free"}).status_code == 403
    answer = client.patch(
        f"/api/v1/organizations/{organization_a.pk}",
        {"plan": "enterprise"},
        content_type="application/json",
    )
    assert answer.status_code in {400, 403}


def test_a_choice_in_the_data_of_others_counts_for_nothing(
    organization_a, organization_b, alice, sign_in, make_robot, inside
):
    make_robot(organization_b, name="Other")
    client = sign_in(alice)
    with inside(organization_a):
        row = UserSession.objects.get()
        data = {**row.data, "chosen_organization": {"id": str(organization_b.pk), "name": "x"}}
        UserSession.objects.update(data=data)
    uncache(client)
    assert names(client) == set()
    assert "x</strong>" not in client.get("/admin/").content.decode()


def test_a_demoted_super_admin_is_back_home_at_once(
    client, root, organization_a, make_user, make_robot, inside
):
    make_robot(organization_a, name="Chosen")
    make_user(root.organization_of_test, "super_admin")
    enter(client, organization_a)
    with inside(root.organization_of_test):
        user_update(root, role="viewer")
    assert names(client) == set()
    assert names(client, "organizations") == {"Platform"}


def test_super_admins_are_made_on_the_platform_alone(
    client, root, organization_a, alice, inside, sign_in
):
    with inside(organization_a), pytest.raises(RoleNotHereError):
        user_create(organization_id=organization_a.pk, email="x@y.example", role="super_admin")
    with inside(organization_a), pytest.raises(RoleNotHereError):
        user_update(alice, role="super_admin")
    enter(client, organization_a)
    answer = client.patch(
        f"/api/v1/users/{alice.pk}", {"role": "super_admin"}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "role_not_here")
    page = client.get(reverse("admin:accounts_user_change", args=[alice.pk])).content.decode()
    assert 'value="super_admin"' not in page
    leave(client)
    page = client.get(reverse("admin:accounts_user_add")).content.decode()
    assert 'value="super_admin"' in page


def test_the_last_super_admin_stays(root, make_user, inside):
    admin = make_user(root.organization_of_test, "admin")
    for changes in ({"role": "admin"}, {"is_active": False}):
        with inside(root.organization_of_test), pytest.raises(LastAdminError):
            user_update(root, **changes)
    with inside(root.organization_of_test):
        root.refresh_from_db()
        user_update(admin, role="viewer")  # the super admin remains
        user_update(admin, role="super_admin")
        assert user_update(root, role="admin").role == "admin"


@pytest.mark.parametrize("who", ["nobody", "admin", "elsewhere"])
def test_the_list_answers_a_super_admin_at_home_alone(who, root, organization_a, alice):
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


def test_the_list_shows_names_and_numbers(
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


def test_plan_and_limits_are_changed_inside(client, organization_a, inside):
    enter(client, organization_a)
    address = reverse("admin:organizations_organization_act", args=[organization_a.pk, "set-plan"])
    form = {"_confirm": "1", "plan": "custom", "robot_limit": "7", "user_limit": ""}
    assert client.post(address, form).status_code == 302
    with inside(organization_a):
        fresh = Organization.objects.get()
        entry = AuditLog.objects.get(action="organizations.organization.set_plan")
    assert (fresh.plan, fresh.robot_limit, fresh.user_limit) == ("custom", 7, None)
    assert entry.after == {"plan": "custom", "robot_limit": 7}
    answer = client.post(
        f"/api/v1/organizations/{organization_a.pk}/set-plan",
        {"plan": "free", "robot_limit": 3},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["plan"]) == (200, "free")
    with inside(organization_a):
        assert Organization.objects.get().robot_limit is None
    for body in ({}, {"plan": "gold"}, {"plan": "custom", "robot_limit": -1}):
        answer = client.post(
            f"/api/v1/organizations/{organization_a.pk}/set-plan",
            body,
            content_type="application/json",
        )
        assert answer.status_code == 400


def test_an_organization_is_opened_from_home(client, root, inside):
    address = reverse("admin:organizations_platformorganization_add")
    form = {"name": "Initech", "slug": "initech", "plan": "starter", "admin_email": ""}
    answer = client.post(address, form)
    assert answer.status_code == 302, answer.content
    body = {"name": "Initech 2", "slug": "initech-2", "plan": "free"}
    answer = client.post("/api/v1/platform/organizations", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    slugs = {row["slug"] for row in client.get("/api/v1/platform/organizations").json()["results"]}
    assert slugs == {"initech", "initech-2"}
    for fault in ({"slug": "initech"}, {"slug": "platform"}, {"slug": "Not a slug"}):
        answer = client.post(
            "/api/v1/platform/organizations", {**body, **fault}, content_type="application/json"
        )
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["slug"])
        assert client.post(address, {**form, **fault}).status_code == 200
    with inside(root.organization_of_test):
        assert AuditLog.objects.filter(action="organizations.organization.create").count() >= 2


def test_crossing_shows_one_organization_at_a_time(
    organization_a, organization_b, make_robot, inside
):
    make_robot(organization_a, name="A")
    make_robot(organization_b, name="B")

    def seen():
        return set(Robot.objects.values_list("name", flat=True))

    with inside(organization_a):
        assert seen() == {"A"}
        with crossing_transaction(organization_b.pk):
            assert seen() == {"B"}
            with crossing_transaction(organization_a.pk):
                assert seen() == {"A"}
        assert seen() == {"A"}
        with pytest.raises(ValueError, match="x"), crossing_transaction(organization_b.pk):
            raise ValueError("x")
        assert seen() == {"A"}
        with pytest.raises(TenantError), tenant_transaction(organization_b.pk):
            pass
    with transaction.atomic():
        with crossing_transaction(organization_b.pk):
            assert seen() == {"B"}
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.organization_id', true)")
            assert cursor.fetchone()[0] in {"", None}


def test_the_password_is_asked_for_at_home(
    root, client, organization_a, alice, monkeypatch, inside, make_user
):
    """Deactivating needs a fresh sign-in, whose rows are the platform's."""
    from tests.accounts.test_step_up import Clock
    from urfmp.common import sign_ins

    clock = Clock()
    monkeypatch.setattr(sign_ins, "time", clock)
    enter(client, organization_a)
    clock.offset = 15 * 60
    address = reverse(
        "admin:organizations_organization_act", args=[organization_a.pk, "deactivate"]
    )
    assert client.post(address).status_code == 403
    wrong = {"_step_up": "POST", "_step_up_password": "not the password"}
    assert client.post(address, wrong).status_code == 403
    with inside(root.organization_of_test):
        assert AuditLog.objects.filter(success=False, action="accounts.session.login").exists()
    assert client.post(address, {**wrong, "_step_up_password": PASSWORD}).status_code == 302
    with inside(organization_a):
        organization_a.refresh_from_db()
    assert not organization_a.is_active
    clock.offset = 30 * 60
    deactivate = f"/api/v1/organizations/{organization_a.pk}/deactivate"
    answer = client.post(deactivate)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    body = {"password": PASSWORD}
    answer = client.post("/api/v1/auth/step-up", body, content_type="application/json")
    assert answer.status_code == 204, answer.content
    assert client.post(deactivate).status_code == 200
    assert names(client, "organizations") == {"Acme"}


def test_nothing_else_crosses():
    """The step over the wall is taken in two modules, and known to a third, which makes it."""
    from tests.test_architecture import ROOT, modules

    users = {str(path) for path in modules() if "crossing_transaction" in (ROOT / path).read_text()}
    assert users == {
        "apps/accounts/step_up.py",
        "apps/organizations/platform_services.py",
        "apps/organizations/services.py",
        "urfmp/common/tenancy.py",
    }


def test_people_behind_the_wall_have_no_rights():
    stand_in = User.behind_the_wall(uuid.uuid4())
    assert str(stand_in) == PLATFORM_STAFF
    assert not stand_in.has_perm("robots.view_robot")
