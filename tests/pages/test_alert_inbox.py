"""The inbox: groups, filters, actions and undo."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_acknowledge, alert_assign, alert_resolve

INBOX = "/admin/alert-inbox/"


@pytest.fixture
def plant(organization_a, make_facility, make_robot, make_alert):
    """Two rules on three robots in two halls."""
    for hall in ("Hall 1", "Hall 2"):
        make_facility(organization_a, name=hall)
    robots = [
        make_robot(organization_a, name=f"R{number}", location={"facility": hall})
        for number, hall in enumerate(["Hall 1", "Hall 1", "Hall 2"], 1)
    ]
    alerts = [
        make_alert(organization_a, robot=robot, title="Too hot", severity="error")
        for robot in robots
    ]
    alerts.append(make_alert(organization_a, robot=robots[0], title="Offline", severity="critical"))
    return alerts


def groups(page):
    return [(group.title, group.count) for group in page.context["groups"]]


def undo_token(page):
    return page.context["notice"].undo


def test_inbox_groups_by_rule_robot_and_facility(plant, alice, client_for):
    client = client_for(alice)
    assert groups(client.get(INBOX)) == [("Offline", 1), ("Too hot", 3)]
    by_robot = groups(client.get(f"{INBOX}?group=robot"))
    assert (by_robot[0], sorted(by_robot[1:])) == (("R1", 2), [("R2", 1), ("R3", 1)])
    assert groups(client.get(f"{INBOX}?group=facility")) == [("Hall 1", 3), ("Hall 2", 1)]
    html = client.get(INBOX).content.decode()
    assert "3 robots" in html
    assert "3 not acknowledged" in html


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 4),
        ("state=new", 3),
        ("state=acknowledged", 1),
        ("state=resolved", 0),
        ("state=snoozed", 0),
        ("severity=critical", 1),
        ("facility=Hall+1", 3),
        ("facility=Hall+1&severity=error", 2),
        ("assignee=mine", 1),
        ("assignee=none", 3),
        ("state=nonsense&severity=%00&facility=Nowhere&group=x", None),
        ("state=nonsense&severity=x&facility=Nowhere&group=x", 4),
    ],
)
def test_inbox_filters(query, expected, plant, organization_a, alice, client_for, tenant):
    with tenant(organization_a):
        alert_acknowledge(plant[0], alice)
        alert_assign(plant[1], alice, assigned_to=alice)
    page = client_for(alice).get(f"{INBOX}?{query}")
    if expected is None:
        assert page.status_code == 400
    else:
        assert sum(count for _, count in groups(page)) == expected


def test_resolved_alerts_are_grouped_as_history(plant, organization_a, alice, client_for, tenant):
    with tenant(organization_a):
        for alert in plant:
            alert_resolve(alert, alice)
    client = client_for(alice)
    assert groups(client.get(INBOX)) == []
    assert groups(client.get(f"{INBOX}?state=resolved")) == [("Offline", 1), ("Too hot", 3)]


def test_action_on_group_and_alert_is_undone(plant, organization_a, alice, client_for, tenant):
    client = client_for(alice)
    values = {"action": "acknowledge", "group": plant[0].key, "alert": plant[3].pk}
    page = client.post(INBOX, values)
    assert page.context["notice"].text == "4 alerts acknowledged."
    with tenant(organization_a):
        assert Alert.objects.filter(is_acknowledged=True).count() == 4
    undone = client.post(INBOX, {"undo": undo_token(page)})
    assert undone.context["notice"].text == "Undone: 4 alerts restored."
    with tenant(organization_a):
        assert not Alert.objects.filter(is_acknowledged=True).exists()
    page = client.post(INBOX, {"action": f"acknowledge:{plant[0].pk}"})
    assert page.context["notice"].text == "1 alert acknowledged."


def test_assign_and_snooze_take_their_values(plant, organization_a, alice, bob, client_for, tenant):
    client = client_for(alice)
    client.post(INBOX, {"action": "assign", "alert": plant[0].pk, "assigned_to": bob.pk})
    client.post(INBOX, {"action": "snooze", "alert": plant[0].pk, "hours": "4"})
    with tenant(organization_a):
        alert = Alert.objects.get(pk=plant[0].pk)
    assert alert.assigned_to_id == bob.pk
    assert alert.snoozed_until is not None
    page = client.get(f"{INBOX}?state=snoozed")
    assert groups(page) == [("Too hot", 1)]
    assert f"assigned to {bob}" in page.content.decode()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"action": "delete", "alert": "x"},
        {"action": "acknowledge"},
        {"action": "acknowledge", "alert": "no id"},
        {"action": "snooze", "alert": "{alert}", "hours": "1000"},
        {"action": "assign", "alert": "{alert}", "assigned_to": "no id"},
        {"undo": "forged"},
    ],
)
def test_bad_action_changes_nothing_and_says_why(
    values, plant, organization_a, alice, client_for, tenant
):
    values = {name: value.format(alert=plant[0].pk) for name, value in values.items()}
    page = client_for(alice).post(INBOX, values)
    assert page.status_code == 400
    assert 'role="alert"' in page.content.decode()
    with tenant(organization_a):
        assert not Alert.objects.exclude(is_acknowledged=False, assigned_to=None).exists()


def test_undo_of_another_user_is_denied(plant, alice, bob, client_for):
    page = client_for(alice).post(INBOX, {"action": "acknowledge", "alert": plant[0].pk})
    assert client_for(bob).post(INBOX, {"undo": undo_token(page)}).status_code == 403


def test_other_organization_is_neither_shown_nor_changed(
    plant, organization_a, charlie, client_for, tenant
):
    client = client_for(charlie)
    assert groups(client.get(INBOX)) == []
    for selected in ({"alert": plant[0].pk}, {"group": plant[0].key}):
        assert client.post(INBOX, {"action": "acknowledge", **selected}).status_code == 400
    with tenant(organization_a):
        assert not Alert.objects.filter(is_acknowledged=True).exists()


def test_roles_act_as_their_permissions_allow(plant, organization_a, make_user, client_for):
    values = {"action": "acknowledge", "alert": plant[0].pk}
    viewer = client_for(make_user(organization_a, role="viewer"))
    assert viewer.post(INBOX, values).status_code == 403
    assert not re.search(r'name="(alert|action)"', viewer.get(INBOX).content.decode())
    operator = client_for(make_user(organization_a, role="operator"))
    assert operator.post(INBOX, values).status_code == 200
    assign = {**values, "action": "assign"}
    assert operator.post(INBOX, {**assign, "assigned_to": "me"}).status_code == 200
    assert operator.post(INBOX, {**assign, "assigned_to": "none"}).status_code == 403
    limited = client_for(make_user(organization_a, role="custom", permissions=["robot.view"]))
    assert limited.get(INBOX).status_code == 403


def test_storm_of_a_facility_is_named(
    organization_a, make_facility, make_robot, make_alert, alice, client_for
):
    make_facility(organization_a, name="Hall 1")
    client = client_for(alice)
    for number in range(5):
        assert not client.get(INBOX).context["storms"]
        robot = make_robot(organization_a, name=f"S{number}", location={"facility": "Hall 1"})
        make_alert(organization_a, robot=robot, title=f"Fault {number}")
    page = client.get(INBOX)
    assert "Hall 1: 5 alerts of 5 robots" in page.content.decode()


def test_inbox_query_count(plant, alice, client_for, django_assert_max_num_queries):
    client = client_for(alice)
    client.get(INBOX)
    with django_assert_max_num_queries(12):
        client.get(INBOX)


def test_menu_and_header_lead_to_the_inbox(alice, client_for):
    html = client_for(alice).get("/admin/").content.decode()
    assert html.count(f'href="{reverse("admin:alert_inbox_page")}"') >= 2
