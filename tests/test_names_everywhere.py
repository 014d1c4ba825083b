"""The rule for names and identifiers holds on every column and every path."""

from __future__ import annotations

import uuid

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, User
from apps.accounts.services.api_keys import api_key_create, api_key_update
from apps.accounts.services.users import user_create
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.maintenance.services.tasks import task_cancel, task_create
from apps.robots.models import Robot
from apps.robots.services.robots import robot_register, robot_update
from urfmp.common.db.names import (
    EmailIdentifierField,
    IdentifierField,
    NameField,
    identifier_error,
    normalize_identifier,
)

pytestmark = pytest.mark.django_db

# Text columns that neither users nor machines choose freely.
OTHER_TEXTS = {
    "accounts.ApiKey.key_hash", "accounts.ApiKey.key_prefix", "accounts.Invitation.token_digest",
    "accounts.User.password", "accounts.UserSession.session_token",
    "accounts.UserSession.refresh_token",
    "organizations.Organization.slug",  # by a pattern
    "organizations.Facility.timezone", "accounts.User.timezone",  # by the list of IANA
    "accounts.IdempotencyRecord.key", "accounts.IdempotencyRecord.request_hash",
    "accounts.OneTimeLink.token_digest", "robots.RobotClaimCode.code_digest",
    "maintenance.CalendarFeed.token_digest", "maintenance.RobotLabel.token_digest",
    # cleaned when the file is uploaded
    "telemetry.TelemetryImport.file_name", "organizations.FloorPlan.file_name",
    "maintenance.TaskFile.file_name", "maintenance.TaskFile.digest",
    "organizations.FloorPlan.digest", "robots.RobotImport.file_name",
    # checked when points are decoded
    "telemetry.TelemetryLatest.metric_name", "telemetry.TelemetryLatest.unit",
    "alerts.NotificationChannel.url",  # by url_error()
    "alerts.Delivery.address", "alerts.Delivery.group_key",  # written by the outbox
    # of the browser, and of us
    "alerts.NotificationChannel.auth_username",  # by auth_errors()
    "alerts.PushKey.public_key", "alerts.PushSubscription.browser_key",
    "alerts.PushSubscription.endpoint_digest", "alerts.PushSubscription.service",
    "alerts.PushSubscription.label",
    "audit.AuditLog.action", "audit.AuditLog.resource_type", "audit.AuditLog.request_id",
}  # fmt: skip
HIDDEN = "Ar\u200bm"
MESSAGE = "Invisible characters are not allowed. Remove U+200B."


def test_every_text_column_follows_the_rule():
    free = set()
    for model in apps.get_models():
        if not getattr(model, "is_tenant_owned", False) or not model._meta.managed:
            continue
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, models.CharField) and not field.choices
            if is_text and not isinstance(
                field, NameField | IdentifierField | EmailIdentifierField
            ):
                free.add(f"{model._meta.label}.{field.name}")
            if isinstance(field, NameField | IdentifierField):
                names = {constraint.name for constraint in model._meta.constraints}
                assert f"{model._meta.db_table}_{field.name}_form_check" in names
    assert free - OTHER_TEXTS == set()


def test_services_reject_invisible_characters(organization_a, alice, tenant, make_robot):
    robot = make_robot(organization_a)
    organization_id = organization_a.pk
    task = {"type": "inspection", "organization_id": organization_id, "created_by": alice}
    with tenant(organization_a):
        key, _ = api_key_create(
            organization_id=organization_id, user=alice, name="Key", permissions=[]
        )
        calls = {
            "name": lambda: robot_update(robot, name=HIDDEN),
            "serial_number": lambda: robot_update(robot, serial_number=HIDDEN),
            "vendor": lambda: robot_update(robot, vendor=HIDDEN),
            "model": lambda: robot_update(robot, model=HIDDEN),
            "firmware_version": lambda: robot_update(robot, firmware_version=HIDDEN),
            "location.area": lambda: robot_update(robot, location={"area": HIDDEN}),
            "title": lambda: task_create(title=HIDDEN, **task),
            "parts_used": lambda: task_create(title="T", parts_used=[{"name": HIDDEN}], **task),
            "email": lambda: user_create(
                organization_id=organization_id, email="a@pl\u200bant.example"
            ),
        }
        for field, call in calls.items():
            with pytest.raises(ValidationError) as caught:
                call()
            assert set(caught.value.message_dict) == {field}, field
            robot.refresh_from_db()
        with pytest.raises(ValidationError, match="Invisible"):
            api_key_update(key, name=HIDDEN)
        assert HIDDEN not in {robot.name, robot.serial_number, robot.vendor}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("robots", {"name": HIDDEN, "vendor": "kuka"}, "name"),
        ("robots", {"name": "Arm", "vendor": "kuka", "serial_number": HIDDEN}, "serial_number"),
        ("facilities", {"name": HIDDEN}, "name"),
        ("maintenance-tasks", {"title": HIDDEN, "type": "inspection"}, "title"),
        (
            "maintenance-schedules",
            {"title": HIDDEN, "vendor": "abb", "model": "M", "running_hours": 9},
            "title",
        ),
        ("parts", {"number": HIDDEN, "name": "Belt"}, "number"),
        ("parts", {"number": "B", "name": HIDDEN}, "name"),
        ("users", {"email": "k@x.example", "first_name": HIDDEN}, "first_name"),
        (
            "alerts",
            {"type": "system", "severity": "info", "title": HIDDEN, "message": "M"},
            "title",
        ),
    ],
)
def test_api_rejects_invisible_characters(organization_a, alice, client_for, path, body, field):
    answer = client_for(alice).post(f"/api/v1/{path}", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"] == {field: [MESSAGE]}


def test_api_rejects_text_in_which_nothing_can_be_seen(organization_a, alice, client_for):
    client = client_for(alice)
    alert = {"type": "system", "severity": "info", "title": "T", "message": "\u200b\n"}
    answer = client.post("/api/v1/alerts", alert, content_type="application/json")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"message"})


def test_cancel_reason_must_be_visible(organization_a, alice, tenant):
    with tenant(organization_a):
        task = task_create(
            organization_id=organization_a.pk, created_by=alice, title="T", type="inspection"
        )
        with pytest.raises(ValidationError, match="at least one letter"):
            task_cancel(task, "\u2800")


def test_admin_rejects_invisible_title(organization_a, alice, client_for, tenant):
    answer = client_for(alice).post(
        reverse("admin:maintenance_maintenancetask_add"),
        {"title": "\u3164", "type": "inspection", "priority": "low"},
    )
    assert "Invisible characters are not allowed. Remove U+3164." in answer.content.decode()
    with tenant(organization_a):
        assert not MaintenanceTask.objects.exists()


@pytest.mark.parametrize("other", ["SN\u00a07", "\uff33\uff2e 7", "SN  7 ", "SN\u20037"])
def test_serial_numbers_that_look_alike_cannot_coexist(organization_a, tenant, other):
    fields = {"organization_id": organization_a.pk, "vendor": "kuka"}
    with tenant(organization_a):
        robot_register(name="First", serial_number="SN 7", **fields)
        with pytest.raises(ValidationError) as caught:
            robot_register(name="Second", serial_number=other, **fields)
        assert set(caught.value.message_dict) == {"serial_number"}
        assert Robot.objects.count() == 1


def test_decomposed_serial_number_finds_robot(organization_a, alice, tenant, client_for, make_key):
    with tenant(organization_a):
        robot = robot_register(
            organization_id=organization_a.pk, name="Arm", vendor="kuka", serial_number="Züri-1"
        )
    point = {"metric_name": "power.total", "time": "2026-11-20T00:00:00Z", "value": 1}
    answer = Client().post(
        "/api/v1/telemetry",
        {"points": [{**point, "serial_number": "Zu\u0308ri-1"}]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {make_key(organization_a)}"},
    )
    assert "unknown_robot" not in answer.content.decode()
    answer = client_for(alice).get("/api/v1/robots", {"serial_number": "Zu\u0308ri-1"})
    assert [row["id"] for row in answer.json()["results"]] == [str(robot.pk)]


def test_facility_name_is_found_in_any_form(organization_a, tenant, make_facility):
    make_facility(organization_a, "Zürich")
    with tenant(organization_a):
        robot = robot_register(
            organization_id=organization_a.pk,
            name="Arm",
            vendor="kuka",
            location={"facility": "Zu\u0308rich", "area": " B 2 "},
        )
    assert robot.location == {"facility": "Zürich", "area": "B 2"}


def test_user_logs_in_with_email_in_any_form(organization_a, make_user, tenant):
    user = make_user(organization_a, email="kim@zürich.example")
    with tenant(organization_a):
        assert User.objects.get_by_natural_key("Kim@zu\u0308rich.example") == user


def test_names_are_stored_in_their_normal_form(organization_a, alice, tenant, client_for):
    client = client_for(alice)
    body = {"name": " Zu\u0308rich\u00a0  3 ", "permissions": ["robots:read"]}
    answer = client.post("/api/v1/api-keys", body, content_type="application/json")
    if answer.status_code == 201:
        assert answer.json()["name"] == "Zürich 3"
    with tenant(organization_a):
        key, _ = api_key_create(
            organization_id=organization_a.pk, user=alice, name=body["name"], permissions=[]
        )
        assert ApiKey.objects.get(pk=key.pk).name == "Zürich 3"
        assert Alert.objects.count() == 0


@pytest.mark.parametrize("unit", ["\u200b", "m\n", "\u202em", " "])
def test_unit_that_cannot_be_seen_is_rejected(organization_a, make_robot, make_key, unit):
    robot = make_robot(organization_a)
    point = {"metric_name": "power.total", "time": "2026-11-20T00:00:00Z", "value": 1}
    answer = Client().post(
        "/api/v1/telemetry",
        {"points": [{**point, "robot_id": str(robot.pk), "unit": unit}]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {make_key(organization_a)}"},
    )
    assert [item["code"] for item in answer.json()["rejected"]] == ["unit"]


def test_random_serial_number_is_its_own_normal_form():
    text = uuid.uuid4().hex
    assert normalize_identifier(text) is text
    assert identifier_error(text) is None
