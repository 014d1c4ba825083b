from __future__ import annotations

import re
import uuid

import pytest
from django.contrib import admin
from django.urls import reverse

from apps.accounts.models import ApiKey
from apps.audit.admin.filters import ResourceFilter
from apps.audit.models import AuditLog
from apps.audit.selectors.audit_logs import recorded_actions
from apps.audit.services.audit_logs import audit_record
from apps.maintenance.services.tasks import task_create, task_update
from apps.robots.services.robots import robot_update
from urfmp.common.admin import audited_admins
from urfmp.common.rendering.diffs import differences
from urfmp.common.rendering.html import difference_table
from urfmp.common.tenancy.context import Actor

LIST = "/admin/audit/auditlog/"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"name": "a"}, {"name": "b"}, [("name", "changed", "a", "b")]),
        ({"c": {"x": 1, "y": 2}}, {"c": {"x": 1, "z": 3}},
         [("c \u203a y", "removed", 2, None), ("c \u203a z", "added", None, 3)]),
        ({"parts_used": [{"n": 1}]}, {"parts_used": [{"n": 2}, {"n": 3}]},
         [("parts used \u203a #1 \u203a n", "changed", 1, 2),
          ("parts used \u203a #2 \u203a n", "added", None, 3)]),
        ({"l": ["a", "b"]}, {"l": ["a"]}, [("l", "changed", ["a", "b"], ["a"])]),
        ({"a": None}, {"a": {"b": True}}, [("a", "added", None, {"b": True})]),
        ({"a": 1}, {"a": True}, [("a", "changed", 1, True)]),
        (None, {"name": "n", "note": None, "x": {}}, [("name", "added", None, "n")]),
        ({"name": "n", "note": None}, None, [("name", "removed", "n", None)]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, []),
        (None, None, []),
    ],
)  # fmt: skip
def test_differences_are_listed_by_path(before, after, found):
    assert [(d.path, d.kind, d.before, d.after) for d in differences(before, after)] == found


def test_difference_table_marks_changes_and_escapes_html():
    key = str(uuid.uuid4())
    table = difference_table(
        {"note": "x" * 1000, "robot_id": None, "html": "<b>"},
        {"note": "y", "robot_id": key},
        {key: "Arm <1>"},
    )
    assert re.search(r"robot id<span[^>]*>\+ added</span>", table)
    assert re.search("html<span[^>]*>\u2212 removed</span>", table)
    assert "≠ changed" in table
    assert "<details><summary>" in table
    assert "(1,000 characters)" in table
    assert "Arm &lt;1&gt;" in table
    assert "<b>" not in table


@pytest.fixture
def audited_robot(organization_a, alice, make_robot, tenant):
    """A robot with audit rows of a user, a task, an API key and a denial."""
    robot = make_robot(organization_a, name="Arm 7", configuration={"payload": 3})
    actor = Actor(user_id=alice.pk, ip_address="192.0.2.1", request_id="request-of-alice")
    with tenant(organization_a, actor):
        robot_update(robot, configuration={"payload": 5})
        task = task_create(
            organization_id=organization_a.id, created_by=alice, title="Grease", type="cleaning"
        )
        task_update(task, robot=robot)
        key = ApiKey.objects.create(
            organization=organization_a, user=alice, name="Gate", key_hash="h", key_prefix="p"
        )
    with tenant(organization_a, Actor(api_key_id=key.pk, request_id="request-of-key")):
        robot_update(robot, name="Arm 8")
    with tenant(organization_a, actor):
        audit_record(
            action="test.thing.deny", success=False, error_message="No.", resource_type="thing"
        )
    return robot, task, key


def actions(client, **query):
    page = client.get(LIST, query)
    assert page.status_code == 200, (page.status_code, page["location"])
    return {entry.action for entry in page.context["cl"].result_list}


def test_list_filters(audited_robot, alice, client_for):
    robot, _task, key = audited_robot
    client = client_for(alice)
    by_key = {"robots.robot.update"}
    assert actions(client, api_key__id__exact=str(key.pk)) == by_key
    assert actions(client, request="request-of-key") == by_key
    assert actions(client, q="request-of-key") == by_key
    assert "test.thing.deny" in actions(client, user__id__exact=str(alice.pk))
    assert "robots.robot.create" not in actions(client, user__id__exact=str(alice.pk))
    assert actions(client, outcome="denied") == {"test.thing.deny"}
    assert actions(client, action="robots.robot.create") == {"robots.robot.create"}
    history = {"robots.robot.create", "robots.robot.update"}
    assert actions(client, resource="robot", object=str(robot.pk)) == history
    assert actions(client, q=str(robot.pk)) == history
    assert actions(client, q="maintenance_task") == {
        "maintenance.maintenance_task.create",
        "maintenance.maintenance_task.update",
    }
    assert actions(client, q="nothing like it") == set()
    assert client.get(LIST, {"object": "x"}).status_code == 302


def test_entry_page_links_object_request_and_actor(
    audited_robot, organization_a, alice, client_for, tenant
):
    _robot, task, _key = audited_robot
    client = client_for(alice)
    with tenant(organization_a):
        moved = AuditLog.objects.get(action="maintenance.maintenance_task.update")
        by_key = AuditLog.objects.get(request_id="request-of-key")
    page = client.get(reverse("admin:audit_auditlog_change", args=[moved.pk])).content.decode()
    assert reverse("admin:maintenance_maintenancetask_change", args=[task.pk]) in page
    assert f"{LIST}?request=request-of-alice" in page
    assert f"{LIST}?user__id__exact={alice.pk}" in page
    assert f"object={task.pk}" in page
    assert re.search(r'class="u-diff-new">Arm 8 <span class="u-diff-id">', page)
    page = client.get(reverse("admin:audit_auditlog_change", args=[by_key.pk])).content.decode()
    assert "Key Gate" in page
    assert f"api_key__id__exact={by_key.api_key_id}" in page


def test_entry_page_hides_names_of_invisible_rows(
    audited_robot, organization_a, make_user, client_for, tenant
):
    _robot, _task, key = audited_robot
    client = client_for(make_user(organization_a, "manager"))  # sees no keys
    with tenant(organization_a):
        made = AuditLog.objects.get(action="accounts.api_key.create", resource_id=key.pk)
    page = client.get(reverse("admin:audit_auditlog_change", args=[made.pk])).content.decode()
    assert reverse("admin:accounts_apikey_change", args=[key.pk]) not in page
    assert client.get(LIST).status_code == 200


def test_every_audited_table_has_history(db, owner_cursor):
    owner_cursor.execute(
        "SELECT tgrelid::regclass::text, split_part(encode(tgargs, 'escape'), '\\000', 1)"
        " FROM pg_trigger WHERE tgname = 'audit_row_trigger'"
    )
    recorded = {table: name.split(".")[1] for table, name in owner_cursor.fetchall()}
    assert len(recorded) >= 8
    shown = {
        model_admin.model._meta.db_table: name
        for name, model_admin in audited_admins(admin.site).items()
    }
    paged = {model._meta.db_table for model in admin.site._registry}
    assert shown == {table: name for table, name in recorded.items() if table in paged}
    known = {
        value for value, _ in ResourceFilter.lookups(None, None, admin.site._registry[AuditLog])
    }
    assert set(recorded.values()) <= known


def test_history_page_links_entries(audited_robot, alice, client_for):
    robot, _task, _key = audited_robot
    client = client_for(alice)
    page = client.get(reverse("admin:robots_robot_history", args=[robot.pk])).content.decode()
    assert "configuration \u203a payload" in page
    assert "Key Gate" in page
    assert f"{LIST}?resource=robot&amp;object={robot.pk}" in page
    form = client.get(reverse("admin:robots_robot_change", args=[robot.pk])).content.decode()
    assert reverse("admin:robots_robot_history", args=[robot.pk]) in form


def test_recorded_actions_are_of_own_organization(
    audited_robot, organization_a, tenant, organization_b, make_robot
):
    robot, _task, _key = audited_robot
    with tenant(organization_a):
        found = recorded_actions(robot.organization_id)
        assert found == sorted(set(AuditLog.objects.values_list("action", flat=True)))
    assert "test.thing.deny" in found
    with tenant(organization_b):
        assert "test.thing.deny" not in recorded_actions(organization_b.id)
        assert recorded_actions(robot.organization_id) == []


def test_denied_request_is_listed_without_object_link(
    organization_a, make_robot, alice, bob, client_for, tenant
):
    """The denial has the robot's id, but is not linked to the robot."""
    robot = make_robot(organization_a)
    url = reverse("api:robot-detail", args=[robot.pk])
    assert client_for(bob).patch(url, "{}", "application/json").status_code == 403
    with tenant(organization_a):
        denial = AuditLog.objects.get(resource_type="access")
        assert AuditLog.objects.filter(resource_id=robot.pk).exclude(pk=denial.pk).exists()
    assert denial.resource_id == robot.pk
    client = client_for(alice)
    page = client.get(LIST).content.decode()
    assert robot.name in page
    assert f"access {str(robot.pk)[:8]}" in page.lower()
    assert client.get(f"{LIST}{denial.pk}/change/").status_code == 200
