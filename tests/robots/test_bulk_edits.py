"""Several robots are changed at once, after a confirmation."""

from __future__ import annotations

import re

import pytest

from apps.audit.models import AuditLog
from apps.robots.choices import LIFECYCLE_TRANSITIONS, Lifecycle, common_stages
from apps.robots.models import Robot
from apps.robots.services.bulk_edits import planned_changes, robots_edit, robots_edit_check
from apps.robots.services.robots import robot_retire, robot_update

LIST = "/admin/robots/robot/"
PAGE = "/admin/robots/edit/"


@pytest.fixture
def robots(organization_a, make_robot):
    return [
        make_robot(organization_a, name=f"Robot {n}", vendor="kuka", location={"cell": str(n)})
        for n in range(3)
    ]


def edit(robots, values, versions=None):
    return robots_edit(
        robots, versions=versions or {r.pk: r.version for r in robots}, values=values
    )


def test_planned_changes_lists_what_differs(robots, organization_a, tenant):
    with tenant(organization_a):
        plans = planned_changes(robots, {"cell": "1", "vendor": "kuka", "area": None})
    assert [plan.values for plan in plans] == [[("cell", "0", "1")], [], [("cell", "2", "1")]]


def test_edit_changes_and_audits_each_robot(robots, organization_a, tenant):
    values = {"cell": "7", "lifecycle": "maintenance", "offline_after_seconds": 90}
    with tenant(organization_a):
        results = edit(robots, values)
        assert [result.is_changed for result in results] == [True] * 3
        for robot in Robot.objects.all():
            assert (robot.location, robot.lifecycle) == ({"cell": "7"}, "maintenance")
            assert robot.offline_after_seconds == 90
        assert AuditLog.objects.filter(action="robots.robot.bulk_edit").count() == 6
        assert not any(result.is_changed for result in edit(list(Robot.objects.all()), values))


def test_edit_leaves_robots_that_were_changed_or_cannot(robots, organization_a, tenant):
    with tenant(organization_a):
        robot_update(Robot.objects.get(pk=robots[0].pk), name="Renamed")
        versions = {r.pk: r.version for r in robots}
        robot_retire(robots[1])
        versions[robots[1].pk] = Robot.objects.get(pk=robots[1].pk).version
        results = {r.robot.pk: r for r in edit(robots, {"lifecycle": "maintenance"}, versions)}
    assert "changed since you read it" in results[robots[0].pk].error
    assert "retired" in results[robots[1].pk].error
    assert results[robots[2].pk].is_changed


def test_edit_rejects_invalid_value_for_each_robot(robots, organization_a, tenant):
    with tenant(organization_a):
        results = edit(robots, {"facility": "Nowhere", "cell": "9"})
        assert {result.error for result in results} == {"Facility Nowhere not found."}
        assert not Robot.objects.filter(location__cell="9").exists()


@pytest.mark.parametrize(
    ("stages", "common"),
    [
        (["active"], ["commissioning", "active", "maintenance"]),
        (["active", "maintenance"], ["commissioning", "active", "maintenance"]),
        (["planned", "active"], ["commissioning"]),
        (["planned", "commissioning"], ["planned", "commissioning"]),
        (["retired"], []),
        (["retired", "active"], []),
    ],
)
def test_common_stages_are_allowed_for_each(stages, common):
    assert common_stages(stages) == common
    for stage in common:
        assert all(stage == each or stage in LIFECYCLE_TRANSITIONS[each] for each in stages)
    assert Lifecycle.RETIRED not in common


def test_check_names_rejected_robots_and_changes_nothing(robots, organization_a, tenant):
    with tenant(organization_a):
        robot_retire(robots[1])
        found = list(Robot.objects.order_by("name"))
        before = list(Robot.objects.order_by("name").values())
        entries = AuditLog.objects.count()
        errors = robots_edit_check(found, values={"lifecycle": "maintenance", "cell": "9"})
        assert list(errors) == [robots[1].pk]
        assert "retired" in errors[robots[1].pk]
        assert list(Robot.objects.order_by("name").values()) == before
        assert AuditLog.objects.count() == entries
        assert edit(found[::2], {"cell": "9"}, {r.pk: r.version for r in found})[0].is_changed


def test_page_offers_stages_of_all_robots_alone(robots, alice, client_for, organization_a, tenant):
    client = client_for(alice)
    keys = [str(robot.pk) for robot in robots]
    with tenant(organization_a):
        Robot.objects.filter(pk=robots[0].pk).update(lifecycle="planned")
    form = client.post(PAGE, {"_selected_action": keys}).content.decode()
    offered = form.split('name="lifecycle"')[1].split("</select>")[0]
    assert re.findall(r'value="(\w+)"', offered) == ["commissioning"]
    data = {"_selected_action": keys, "set_lifecycle": "on", "lifecycle": "maintenance"}
    answer = client.post(PAGE, {**data, "step": "confirm"})
    assert answer.status_code == 400
    assert "Not every selected robot can change to this stage." in answer.content.decode()
    with tenant(organization_a):
        robot_retire(robots[1])
    form = client.post(PAGE, {"_selected_action": keys}).content.decode()
    assert 'name="lifecycle"' not in form
    assert "no lifecycle stage to which all these robots can change" in form


def test_confirmation_says_which_robots_stay(robots, alice, client_for, organization_a, tenant):
    client = client_for(alice)
    keys = [str(robot.pk) for robot in robots]
    data = {"_selected_action": keys, "set_facility": "on", "facility": "Nowhere"}
    page = client.post(PAGE, {**data, "step": "confirm"}).content.decode()
    assert "3 robots stay as they are:" in page
    assert page.count("Facility Nowhere not found.") == 3
    assert 'value="apply"' not in page


def hidden(text):
    return re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)


def test_list_page_form_confirmation_and_change(robots, alice, client_for, organization_a, tenant):
    client = client_for(alice)
    keys = [str(robot.pk) for robot in robots[:2]]
    action = client.post(LIST, {"action": "edit_selected", "_selected_action": keys})
    assert (action.status_code, action["location"]) == (307, PAGE)
    form = client.post(PAGE, {"action": "edit_selected", "_selected_action": keys})
    assert "for 2 robots" in form.content.decode()
    values = {"_selected_action": keys, "set_cell": "on", "cell": "7", "vendor": "abb"}
    nothing = client.post(PAGE, {"_selected_action": keys, "step": "confirm"})
    assert nothing.status_code == 400
    confirmation = client.post(PAGE, {**values, "step": "confirm"}).content.decode()
    assert "These robots change" in confirmation
    table = confirmation.split("<table")[1].split("</table>")[0]
    assert "Cell: 0" in table
    assert "vendor" not in table.lower()
    stage = {"_selected_action": keys, "set_lifecycle": "on", "lifecycle": "maintenance"}
    staged = client.post(PAGE, {**stage, "step": "confirm"}).content.decode()
    assert ">→</span> Maintenance</div>" in staged
    data: dict[str, list[str]] = {}
    for name, value in hidden(confirmation):
        data.setdefault(name, []).append(value)
    done = client.post(PAGE, {**data, "step": "apply"}, follow=True)
    assert "2 robots changed." in done.content.decode()
    again = client.post(PAGE, {**data, "step": "apply"}, follow=True).content.decode()
    assert "changed since you read it" in again
    with tenant(organization_a):
        cells = Robot.objects.order_by("name").values_list("location__cell", "vendor")
        assert list(cells) == [("7", "kuka"), ("7", "kuka"), ("2", "kuka")]


def test_page_ignores_robots_of_others(robots, charlie, client_for, organization_a, tenant):
    key = str(robots[0].pk)
    data = {"_selected_action": [key, "x"], "set_cell": "on", "cell": "7", "step": "apply"}
    answer = client_for(charlie).post(PAGE, {**data, "version": f"{key}:1"})
    assert "Select robots in the" in answer.content.decode()
    with tenant(organization_a):
        assert not Robot.objects.filter(location__cell="7").exists()
