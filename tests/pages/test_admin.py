"""Every admin page, including the leaks that Django's own pages have."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse
from django.utils.html import strip_tags

from apps.accounts.models import ApiKey, Invitation, User, UserSession
from apps.alerts.models import (
    Alert,
    AlertRule,
    Delivery,
    NotificationChannel,
    NotificationRoute,
    Silence,
)
from apps.audit.models import AuditLog
from apps.maintenance.models import (
    MaintenanceSchedule,
    MaintenanceTask,
    Part,
    PartStock,
    TaskTemplate,
    WorkRequest,
)
from apps.organizations.models import Facility, Organization, PlatformOrganization
from apps.robots.models import Robot, RobotCommand
from urfmp.common.admin import OrganizationScopedAdmin, RelatedOnlyFilter

pytestmark = pytest.mark.django_db

MODELS = (
    User, UserSession, ApiKey, Organization, Facility, Robot, RobotCommand, MaintenanceTask,
    MaintenanceSchedule, Alert, AlertRule, NotificationChannel, NotificationRoute, Silence,
    Delivery, AuditLog, Part, PartStock, TaskTemplate, WorkRequest,
)  # fmt: skip
OURS = [model for model in admin.site._registry if model.__module__.startswith("apps.")]


def url(model, view, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def test_every_model_uses_scoped_admin():
    assert set(OURS) == {*MODELS, Invitation, PlatformOrganization}
    for model in OURS:
        assert isinstance(admin.site.get_model_admin(model), OrganizationScopedAdmin)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_list_shows_only_own_rows(fleet, alice, client_for, model):
    response = client_for(alice).get(url(model, "changelist"))

    assert response.status_code == 200
    # Rows of other organizations are marked as secret; an action of channels has the word too.
    assert b"secret" not in response.content.replace(b"signing secret", b"").replace(
        b"_secret", b""
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_list_searches_and_sorts(fleet, alice, client_for, model):
    client = client_for(alice)
    columns = len(admin.site.get_model_admin(model).list_display)

    for query in ("q=open", f"q={uuid4()}", *(f"o=-{number}" for number in range(1, columns + 1))):
        assert client.get(f"{url(model, 'changelist')}?{query}").status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_list_query_count(
    fleet,
    alice,
    client_for,
    model,
    django_assert_max_num_queries,
):
    client = client_for(alice)
    client.get(url(model, "changelist"))

    with django_assert_max_num_queries(12):
        client.get(url(model, "changelist"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_other_organization_gets_404(fleet, alice, client_for, tenant, model):
    with tenant(fleet.b.organization):
        row = model.objects.unscoped("the other side's").first()
    if row is None:
        pytest.skip("There is none.")
    client = client_for(alice)

    for view in ("change", "history", "delete"):
        foreign = client.get(url(model, view, row.pk))
        missing = client.get(url(model, view, uuid4()))
        assert foreign.status_code == missing.status_code
        assert foreign.status_code in {302, 403, 404}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_own_row_opens(fleet, alice, client_for, tenant, model):
    with tenant(fleet.a.organization):
        row = model.objects.restrict(alice).exclude(pk=None).first()
    if row is None:
        pytest.skip("There is none.")
    client = client_for(alice)

    assert client.get(url(model, "change", row.pk)).status_code == 200
    assert client.get(url(model, "history", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_viewer_cannot_add(fleet, bob, client_for, model):
    assert client_for(bob).get(url(model, "add")).status_code == 403


def test_relation_filters_are_scoped(alice, tenant, organization_a):
    request = RequestFactory().get("/")
    request.user = alice
    with tenant(organization_a):
        for model in OURS:
            admin.site.get_model_admin(model).get_list_filter(request)  # raises otherwise

    class Leaky(OrganizationScopedAdmin):
        list_filter = (("robot", admin.RelatedFieldListFilter),)

    with pytest.raises(TypeError, match="would show other organizations"):
        Leaky(Alert, admin.site).get_list_filter(request)
    Leaky.list_filter = ("robot",)
    assert Leaky(Alert, admin.site).get_list_filter(request) == [("robot", RelatedOnlyFilter)]


def test_robot_create_and_update_writes_audit_row(fleet, alice, client_for, tenant):
    client = client_for(alice)
    form = {
        "name": "New arm", "vendor": "kuka", "lifecycle": "active", "axes": "6", "payload": "16.5",
        "facility": "open hall", "cell": "C7", "capabilities": ["welding", "assembly"],
    }  # fmt: skip

    assert client.post(url(Robot, "add"), form).status_code == 302
    with tenant(fleet.a.organization):
        robot = Robot.objects.get(name="New arm")
        assert robot.location == {"facility": "open hall", "cell": "C7"}
        assert robot.configuration == {
            "axes": 6, "payload": 16.5, "capabilities": ["welding", "assembly"],
        }  # fmt: skip
    client.post(url(Robot, "change", robot.pk), {**form, "cell": "C8"})
    with tenant(fleet.a.organization):
        robot.refresh_from_db()
        assert robot.location["cell"] == "C8"
        assert robot.version == 2
        entry = AuditLog.objects.get(resource_id=robot.pk, action="robots.robot.update")
        assert entry.user_id == alice.pk


def test_service_error_is_shown_on_form(fleet, alice, client_for, tenant):
    client = client_for(alice)
    taken = {"email": "charlie@globex.example", "role": "viewer"}

    response = client.post(url(User, "add"), taken)

    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    with tenant(fleet.a.organization):
        assert not User.objects.filter(email="charlie@globex.example").exists()


def test_duplicate_serial_number_is_shown_on_form(fleet, alice, client_for):
    form = {
        "name": "Twin", "vendor": "kuka", "lifecycle": "active",
        "serial_number": fleet.a.robot.serial_number,
    }  # fmt: skip

    response = client_for(alice).post(url(Robot, "add"), form)

    assert response.status_code == 200
    assert response.context["adminform"].form.errors


def test_robot_of_other_organization_cannot_be_selected(fleet, alice, client_for, tenant):
    client = client_for(alice)
    form = {"title": "Sneaky", "type": "inspection", "priority": "low"}

    refused = client.post(url(MaintenanceTask, "add"), {**form, "robot": str(fleet.b.robot.pk)})
    taken = client.post(url(MaintenanceTask, "add"), {**form, "robot": str(fleet.a.robot.pk)})

    assert refused.status_code == 200
    assert "robot" in refused.context["adminform"].form.errors
    assert taken.status_code == 302


def test_autocomplete_offers_only_own_rows(fleet, alice, client_for):
    query = "app_label=maintenance&model_name=maintenancetask&field_name=robot"

    found = client_for(alice).get(f"/admin/autocomplete/?{query}&term=robot").json()["results"]

    assert [row["text"] for row in found] == ["open robot"]


def test_filter_does_not_reveal_other_organizations(fleet, alice, client_for):
    client = client_for(alice)
    foreign = client.get(f"{url(Alert, 'changelist')}?robot__id__exact={fleet.b.robot.pk}")
    missing = client.get(f"{url(Alert, 'changelist')}?robot__id__exact={uuid4()}")

    assert foreign.status_code == missing.status_code
    assert b"secret" not in foreign.content


def test_alert_is_acknowledged_with_one_post(fleet, alice, client_for, tenant):
    client = client_for(alice)
    act = url(Alert, "act", fleet.a.alert.pk, "acknowledge")

    response = client.post(act, {"next": "/admin/"})

    assert response["Location"] == "/admin/"
    with tenant(fleet.a.organization):
        fleet.a.alert.refresh_from_db()
        assert fleet.a.alert.is_acknowledged
        assert fleet.a.alert.acknowledged_by_id == alice.pk
        assert AuditLog.objects.filter(action="alerts.alert.acknowledge").count() == 1


def test_viewer_sees_a_dash_for_empty_json(alice, bob, client_for, make_task, organization_a):
    task = make_task(organization_a, alice)
    page = client_for(bob).get(url(MaintenanceTask, "change", task.pk))
    html = page.content.decode()
    assert "Parts used" in html
    assert "null" not in strip_tags(html.partition("Parts used")[2][:2000])


def test_action_requires_permission_row_and_name(fleet, alice, bob, client_for):
    act = url(Alert, "act", fleet.a.alert.pk, "acknowledge")

    assert client_for(bob).post(act).status_code == 403
    client = client_for(alice)
    assert client.get(act).status_code == 200  # asks first
    assert client.post(url(Alert, "act", fleet.a.alert.pk, "dance")).status_code == 404
    assert client.post(url(Alert, "act", fleet.b.alert.pk, "acknowledge")).status_code == 404
    assert client.post(url(Alert, "act", "nonsense", "acknowledge")).status_code == 404


def test_action_redirects_within_site_only(fleet, alice, client_for):
    act = url(Alert, "act", fleet.a.alert.pk, "resolve")

    response = client_for(alice).post(act, {"next": "https://evil.example/"})

    assert response["Location"] == url(Alert, "change", fleet.a.alert.pk)


def test_bulk_action_counts_rows(fleet, alice, client_for, tenant, make_alert):
    done = make_alert(fleet.a.organization, title="open too")
    client = client_for(alice)
    client.post(url(Alert, "act", done.pk, "resolve"))
    rows = [fleet.a.alert.pk, done.pk, fleet.b.alert.pk]

    page = client.post(
        url(Alert, "changelist"), {"action": "acknowledge", "_selected_action": rows}, follow=True
    )

    assert b"1 alert acknowledged." in page.content
    assert b"1 alert unchanged." in page.content
    with tenant(fleet.b.organization):
        fleet.b.alert.refresh_from_db()
        assert not fleet.b.alert.is_acknowledged


def test_task_is_started_and_completed(fleet, alice, client_for, tenant):
    client = client_for(alice)
    task = fleet.a.task

    client.post(url(MaintenanceTask, "act", task.pk, "start"))
    asked = client.post(url(MaintenanceTask, "act", task.pk, "complete"))
    client.post(
        url(MaintenanceTask, "act", task.pk, "complete"), {"_confirm": "1", "notes": "All good"}
    )

    assert asked.status_code == 200
    with tenant(fleet.a.organization):
        task.refresh_from_db()
        assert task.status == "completed"
        assert "All good" in task.notes


def test_task_cancel_without_reason_is_rejected(fleet, alice, client_for, tenant):
    cancel = url(MaintenanceTask, "act", fleet.a.task.pk, "cancel")

    assert client_for(alice).post(cancel, {"_confirm": "1", "reason": ""}).status_code == 200
    with tenant(fleet.a.organization):
        fleet.a.task.refresh_from_db()
        assert fleet.a.task.status != "cancelled"


def test_robot_retires_and_cannot_be_deleted(fleet, alice, client_for, tenant):
    client = client_for(alice)

    assert client.post(url(Robot, "delete", fleet.a.robot.pk)).status_code == 403
    client.post(url(Robot, "act", fleet.a.robot.pk, "retire"))
    with tenant(fleet.a.organization):
        fleet.a.robot.refresh_from_db()
        assert not fleet.a.robot.is_active


def test_key_is_shown_once(fleet, alice, client_for, tenant):
    client = client_for(alice)
    form = {"name": "Cell 1", "permissions": ["telemetry:write"], "rate_limit": "100"}

    response = client.post(url(ApiKey, "add"), form)
    shown = response.context["key"]

    assert "no-store" in response["Cache-Control"]
    assert shown.encode() in response.content
    with tenant(fleet.a.organization):
        key = ApiKey.objects.get(name="Cell 1")
    for page in (url(ApiKey, "changelist"), url(ApiKey, "change", key.pk)):
        assert shown.encode() not in client.get(page).content
    client.post(url(ApiKey, "act", key.pk, "revoke"))
    with tenant(fleet.a.organization):
        key.refresh_from_db()
        assert not key.is_active


def test_user_cannot_grant_more_than_own_permissions(fleet, make_user, client_for, tenant):
    keeper = make_user(
        fleet.a.organization, "custom",
        permissions=["user.view", "user.create", "user.update", "api_key.view", "api_key.create"],
    )  # fmt: skip
    client = client_for(keeper)
    person = {"email": "new@acme.example"}

    as_admin = client.post(url(User, "add"), {**person, "role": "admin"})
    with_rights = client.post(
        url(User, "add"), {**person, "role": "custom", "permissions": ["robot.control"]}
    )
    key = client.post(url(ApiKey, "add"), {"name": "x", "permissions": ["robots:command"]})

    assert [r.status_code for r in (as_admin, with_rights, key)] == [200, 200, 200]
    with tenant(fleet.a.organization):
        assert not User.objects.filter(email="new@acme.example").exists()
        assert not ApiKey.objects.filter(name="x").exists()


def test_session_is_ended_by_admin(fleet, alice, bob, client_for, tenant):
    client, other = client_for(alice), client_for(bob)
    with tenant(fleet.a.organization):
        session = UserSession.objects.get(user=bob)

    client.post(url(UserSession, "act", session.pk, "end"))

    assert other.get("/admin/").status_code == 302


def test_audit_page_shows_before_and_after(fleet, alice, client_for, tenant):
    client = client_for(alice)
    client.post(
        url(Facility, "change", fleet.a.facility.pk),
        {"name": "open hall", "timezone": "Asia/Tokyo"},
    )
    with tenant(fleet.a.organization):
        entry = AuditLog.objects.filter(action="organizations.facility.update").first()

    page = client.get(url(AuditLog, "change", entry.pk)).content.decode()

    assert "Asia/Tokyo" in page
    assert client.post(url(AuditLog, "change", entry.pk), {}).status_code == 403


def test_organization_timezone_is_editable(fleet, alice, client_for, tenant):
    client = client_for(alice)
    page = url(Organization, "change", fleet.a.organization.pk)

    client.post(page, {"name": "Acme", "timezone": "America/Lima", "locale": "en-GB"})

    with tenant(fleet.a.organization):
        fleet.a.organization.refresh_from_db()
        assert fleet.a.organization.settings == {"timezone": "America/Lima"}


def test_facility_with_robots_cannot_be_deleted(fleet, alice, client_for, tenant):
    response = client_for(alice).post(url(Facility, "delete", fleet.a.facility.pk), {"post": "yes"})

    assert response.status_code == 302
    with tenant(fleet.a.organization):
        assert Facility.objects.filter(pk=fleet.a.facility.pk).exists()


def test_sidebar_shows_only_permitted_pages(fleet, bob, client_for):
    page = client_for(bob).get("/admin/").content.decode()

    assert url(Robot, "changelist") in page
    assert url(User, "changelist") not in page
    assert url(AuditLog, "changelist") not in page


@pytest.mark.parametrize("role", ["viewer", "technician", "operator", "manager", "super_admin"])
def test_page_opens_or_is_denied_for_role(fleet, make_user, client_for, role, request):
    if role == "super_admin":
        client = client_for(request.getfixturevalue("root"))
        body = {"organization": str(fleet.a.organization.pk)}
        client.post("/api/v1/auth/choose-organization", body, content_type="application/json")
    else:
        client = client_for(make_user(fleet.a.organization, role))

    for model in OURS:
        assert client.get(url(model, "changelist")).status_code in {200, 403}
    side = fleet.a
    for row in (side.robot, side.alert, side.task, side.organization, side.facility):
        assert client.get(url(type(row), "change", row.pk)).status_code == 200
