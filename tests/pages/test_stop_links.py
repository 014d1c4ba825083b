"""A stop request is one click and one confirmation away wherever a robot is shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.organizations.services.facilities import facility_create
from apps.robots.models import Robot
from apps.robots.services.commands.creation import command_create
from apps.robots.services.status import robot_report_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(organization_a, alice, make_robot, make_task, make_alert, tenant):
    """Return the addresses of all pages that show one robot, by name."""
    now = timezone.now()
    with tenant(organization_a):
        facility = facility_create(organization_id=organization_a.pk, name="Hall A")
    robot = make_robot(
        organization_a,
        name="Welder",
        location={"facility": "Hall A", "cell": "C1", "coordinates": {"x_m": 1, "y_m": 2}},
    )
    with tenant(organization_a):
        robot_report_status(robot_id=robot.pk, status="running")
        robot.refresh_from_db()
        command = command_create(robot=robot, user=alice, type="pause", payload={})
    task = make_task(organization_a, alice, robot=robot, due_at=now + timedelta(hours=1))
    alert = make_alert(organization_a, robot=robot, severity="error")
    lists = {
        name: reverse(f"admin:{name}_changelist")
        for name in (
            "robots_robot", "robots_robotcommand", "alerts_alert", "maintenance_maintenancetask",
        )
    }  # fmt: skip
    pages = {
        "home": reverse("admin:index"),
        "robot": reverse("admin:robot_page", args=[robot.pk]),
        "settings": reverse("admin:robots_robot_change", args=[robot.pk]),
        "command": reverse("admin:robots_robotcommand_change", args=[command.pk]),
        "alert": reverse("admin:alerts_alert_change", args=[alert.pk]),
        "task": reverse("admin:maintenance_maintenancetask_change", args=[task.pk]),
        "telemetry": f"{reverse('admin:telemetry_page')}?robot={robot.pk}",
        "history": reverse("admin:status_history_page"),
        "several": f"{reverse('admin:commands_page')}?robot={robot.pk}&type=pause",
        "map": reverse("admin:floor_map_page", args=[facility.pk]),
    }
    return robot, {**lists, **pages}


def test_every_page_of_a_robot_leads_to_its_stop(shown, organization_a, make_user, client_for):
    robot, addresses = shown
    client = client_for(make_user(organization_a, "operator"))
    stop = reverse("admin:robot_stop_page", args=[robot.pk])
    missing = []
    for name, address in addresses.items():
        page = client.get(address)
        assert page.status_code == 200, name
        html = page.content.decode()
        if f'href="{stop}" aria-label="Request stop of Welder"' not in html:
            missing.append(name)
    assert not missing


def test_users_without_the_permission_see_no_stop(shown, organization_a, make_user, client_for):
    _, addresses = shown
    client = client_for(make_user(organization_a, "viewer"))
    offered = [
        name
        for name, address in addresses.items()
        if name != "several" and b"/stop/" in client.get(address).content
    ]
    assert not offered


def test_retired_robot_has_no_stop(shown, organization_a, make_user, client_for, tenant):
    robot, addresses = shown
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(is_active=False)
    client = client_for(make_user(organization_a, "operator"))
    stop = reverse("admin:robot_stop_page", args=[robot.pk]).encode()
    assert not [n for n, a in addresses.items() if stop in client.get(a).content]


def test_every_place_of_the_tree_leads_to_its_stop(shown, organization_a, make_user, client_for):
    client = client_for(make_user(organization_a, "operator"))
    tree = reverse("admin:fleet_tree_page")
    for query, name, address in (
        ({}, "Hall A", "facility=Hall+A"),
        ({"facility": "Hall A", "area": ""}, "C1", None),
    ):
        html = client.get(tree, query).content.decode()
        assert (f'aria-label="Request stop of {name}"' in html) is (address is not None)
        assert address is None or f"{reverse('admin:place_stop_page')}?{address}" in html
